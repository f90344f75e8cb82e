import type { FastifyRequest } from 'fastify';
import type { WireSettings } from './context.ts';

const HOST = /^[\w.-]+(:\d{1,5})?$|^\[[0-9a-f:.]+\](:\d{1,5})?$/i;

/**
 * The URLs of a result's files, by the answer's fields. They follow the caller's Host, so that they work from a container, a
 * test and a browser alike.
 */
export function mediaUrls<Files extends Readonly<Record<string, string>>>(
  request: FastifyRequest,
  settings: WireSettings,
  files: Files,
): Files {
  const base = `${settings.publicUrl ?? originOf(request)}/media`;
  return Object.fromEntries(
    Object.entries(files).map(([field, path]) => [field, `${base}/${path}`]),
  ) as Files;
}

function originOf(request: FastifyRequest): string {
  const { host } = request.headers;
  const { localAddress, localPort } = request.socket;
  return `${request.protocol}://${host && HOST.test(host) ? host : `${localAddress}:${localPort}`}`;
}
