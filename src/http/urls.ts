import type { FastifyRequest } from 'fastify';
import type { WireSettings } from './context.ts';

const HOST = /^[\w.-]+(:\d{1,5})?$|^\[[0-9a-f:.]+\](:\d{1,5})?$/i;

/** The URL of a result. It follows the caller's Host, so that it works from a container, a test and a browser alike. */
export function mediaUrl(request: FastifyRequest, settings: WireSettings, path: string): string {
  return `${settings.publicUrl ?? originOf(request)}/media/${path}`;
}

function originOf(request: FastifyRequest): string {
  const { host } = request.headers;
  const { localAddress, localPort } = request.socket;
  return `${request.protocol}://${host && HOST.test(host) ? host : `${localAddress}:${localPort}`}`;
}
