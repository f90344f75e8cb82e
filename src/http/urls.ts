import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { Task } from '../core/task.ts';
import type { WireSettings } from './context.ts';
import { nameOf, type ResultFile, type ResultFiles } from './result-file.ts';

const HOST = /^[\w.-]+(:\d{1,5})?$|^\[[0-9a-f:.]+\](:\d{1,5})?$/i;

/** Where the vendor keeps results: "https://video.nanophoto.ai/sora/..."; of images only the host of its samples is known. */
const VENDOR_HOSTS: Record<ResultFile['extension'], string> = {
  mp4: 'video.nanophoto.ai',
  jpg: 'static.nanophoto.ai',
};
const IS_VENDOR_HOST = new RegExp(`^(${Object.values(VENDOR_HOSTS).join('|')})(:\\d+)?$`, 'i');

/** What results are found under, whatever the host. */
export const MEDIA = '/media';

/**
 * The URLs of a result's files, by the answer's fields. They follow the caller's Host, so that they work from a container, a
 * test and a browser alike, where no other base is set.
 */
export function mediaUrls<Files extends ResultFiles>(
  request: FastifyRequest,
  { publicUrl }: WireSettings,
  files: Files,
  task: Task,
): { [Field in keyof Files]: string } {
  const urls = Object.entries(files).map(([field, file]) => {
    const base =
      publicUrl === 'vendor'
        ? `https://${VENDOR_HOSTS[file.extension]}`
        : `${publicUrl ?? originOf(request)}${MEDIA}`;
    return [field, `${base}/${file.folder}/${nameOf(file, task)}.${file.extension}`];
  });
  return Object.fromEntries(urls);
}

/** The path that a request is served under: who maps the vendor's hosts to the emulator leaves out what those do not have. */
export function servedPath({ url = '/', headers: { host } }: IncomingMessage): string {
  return host && IS_VENDOR_HOST.test(host) && !url.startsWith(`${MEDIA}/`) ? MEDIA + url : url;
}

function originOf(request: FastifyRequest): string {
  const { host } = request.headers;
  const { localAddress, localPort } = request.socket;
  return `${request.protocol}://${host && HOST.test(host) ? host : `${localAddress}:${localPort}`}`;
}
