import type { FastifyRequest } from 'fastify';
import type { Task } from '../core/tasks/task.ts';
import type { HttpSettings } from './context.ts';
import { getFileName, type ResultFile, type ResultFiles } from './results/result-file.ts';

const HOST = /^[\w.-]+(:\d{1,5})?$|^\[[0-9a-f:.]+\](:\d{1,5})?$/i;

/** Where the vendor keeps results: "https://video.nanophoto.ai/sora/..."; of images only the host of its samples is known. */
const VENDOR_HOSTS: Record<ResultFile['extension'], string> = {
  mp4: 'video.nanophoto.ai',
  jpg: 'static.nanophoto.ai',
};
const VENDOR_HOST_PATTERN = new RegExp(`^(${Object.values(VENDOR_HOSTS).join('|')})(:\\d+)?$`, 'i');

/** What results are found under, whatever the host. */
export const MEDIA_PREFIX = '/media';

/**
 * The URLs of a result's files, by the answer's fields. They follow the caller's Host, so that they work from a container, a
 * test and a browser alike, where no other base is set.
 */
export function buildResultUrls<Files extends ResultFiles>(
  request: FastifyRequest,
  { publicUrl }: HttpSettings,
  files: Files,
  task: Task,
): { [Field in keyof Files]: string } {
  const urls = Object.entries(files).map(([field, file]) => {
    const base =
      publicUrl === 'vendor'
        ? `https://${VENDOR_HOSTS[file.extension]}`
        : `${publicUrl ?? getRequestOrigin(request)}${MEDIA_PREFIX}`;
    return [field, `${base}/${file.folder}/${getFileName(file, task)}.${file.extension}`];
  });
  return Object.fromEntries(urls);
}

/** The path that a request is served under: on the vendor's hosts of results it lacks what those do not have. */
export function toLocalPath(host: string | undefined, path: string): string {
  return host && VENDOR_HOST_PATTERN.test(host) && !path.startsWith(`${MEDIA_PREFIX}/`) ? MEDIA_PREFIX + path : path;
}

/** As the caller knows us. */
export function getRequestOrigin(request: FastifyRequest): string {
  const { host } = request.headers;
  const { localAddress, localPort } = request.socket;
  // Clients of a proxy may ask it for https without a tunnel.
  const protocol = request.originalUrl.startsWith('https:') ? 'https' : request.protocol;
  if (host && HOST.test(host) && URL.canParse(`http://${host}`)) return `${protocol}://${host}`;
  // The connection may be gone by now.
  if (localAddress === undefined || localPort === undefined) return `${protocol}://localhost`;
  return `${protocol}://${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`;
}
