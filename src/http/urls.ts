import type { FastifyRequest } from 'fastify';
import { URL } from '../core/globals.ts';
import type { Task } from '../core/tasks/task.ts';
import { getFileName, type ResultFile, type ResultFiles } from './results/result-file.ts';

const HOST = /^[\w.-]+(:\d{1,5})?$|^\[[0-9a-f:.]+\](:\d{1,5})?$/i;

/** The vendor's hosts of result files: "https://video.nanophoto.ai/sora/…"; the image host is known from samples. */
const VENDOR_HOSTS: Record<ResultFile['extension'], string> = {
  mp4: 'video.nanophoto.ai',
  jpg: 'static.nanophoto.ai',
};
const VENDOR_HOST_PATTERN = new RegExp(`^(${Object.values(VENDOR_HOSTS).join('|')})(:\\d+)?$`, 'i');

/** Path prefix of result files. The vendor's hosts serve them without it. */
export const MEDIA_PREFIX = '/media';

/**
 * Returns the URLs of a task's result files by response field. Without a configured base they use the request's Host,
 * so that they work from a container, a test and a browser alike.
 */
export function buildResultUrls<Files extends ResultFiles>(
  request: FastifyRequest,
  { publicUrl }: { publicUrl: string | undefined },
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

/** Maps a path on one of the vendor's hosts of result files to the path it has here; other paths stay as they are. */
export function toLocalPath(host: string | undefined, path: string): string {
  return host && VENDOR_HOST_PATTERN.test(host) && !path.startsWith(`${MEDIA_PREFIX}/`) ? MEDIA_PREFIX + path : path;
}

/** Returns the path of a request without the query, which may contain secrets. */
export function getPathname(request: FastifyRequest): string {
  const end = request.url.indexOf('?');
  return end === -1 ? request.url : request.url.slice(0, end);
}

/** Whether a Host header can be a part of a URL. */
export const isHost = (host: string): boolean => HOST.test(host) && URL.canParse(`http://${host}`);

/** Returns scheme and host as the client addressed them; without a usable Host header, the connection's own address. */
export function getRequestOrigin(request: FastifyRequest): string {
  const { host } = request.headers;
  const { localAddress, localPort } = request.socket;
  // A client of a proxy may request an https URL without a tunnel.
  const protocol = request.originalUrl.startsWith('https:') ? 'https' : request.protocol;
  if (host && isHost(host)) return `${protocol}://${host}`;
  // The addresses are undefined when the connection has been closed.
  if (localAddress === undefined || localPort === undefined) return `${protocol}://localhost`;
  return `${protocol}://${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`;
}
