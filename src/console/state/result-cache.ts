import { signal } from '@preact/signals';
import PQueue from 'p-queue';
import type { Task } from '../../client/types.ts';
import { schedule, wallMs } from '../time.ts';
import { accountPath, sendRequest } from './api.ts';

/** Limits concurrent fetches: the emulator renders images on request. */
const queue = new PQueue({ concurrency: 2 });
/** Enough for the files on screen and the most recent ones. */
const MAX_CACHED_FILES = 80;
/** Result files can expire: after this time a file is fetched again, so that the page shows what a client would get. */
const CACHE_TTL_MS = 10_000;
const cache = new Map<string, { url: Promise<string>; fetchedAtMs: number }>();
/** Incremented when the cache is cleared: after a reset, another task can have the same id and timestamps. */
export const cacheVersion = signal(0);

export function clearResultCache(): void {
  for (const { url } of cache.values()) revoke(url);
  cache.clear();
  cacheVersion.value += 1;
}

/** An element that has just received the URL may not have loaded it yet. */
const REVOKE_DELAY_MS = 10_000;
const revoke = (url: Promise<string>) =>
  void url.then(
    (one) => schedule(REVOKE_DELAY_MS, () => URL.revokeObjectURL(one)),
    () => {},
  );

const cacheIdFor = (key: string, { id, createdAt, finishedAt }: Task, field: string) =>
  [key, id, field, createdAt, finishedAt].join(' ');

/**
 * Returns a blob URL for a result file of a task. The file comes from the control plane, because a fetch of the public
 * URL would be recorded in the journal and fault rules would apply to it. Aborting `signal` removes it from the queue.
 *
 * @throws ApiError
 */
export function fileUrl(key: string, task: Task, field: string, signal: AbortSignal): Promise<string> {
  const cacheId = cacheIdFor(key, task, field);
  const cached = cache.get(cacheId);
  const isFresh = cached !== undefined && wallMs() - cached.fetchedAtMs < CACHE_TTL_MS;
  const file = isFresh
    ? cached
    : { url: queue.add(() => fetchFile(key, task, field, signal), { signal }), fetchedAtMs: wallMs() };
  if (cached && !isFresh) revoke(cached.url);
  cache.delete(cacheId);
  cache.set(cacheId, file);
  // Do not cache failures.
  file.url.catch(() => cache.get(cacheId) === file && cache.delete(cacheId));
  for (const [oldest, { url }] of cache) {
    if (cache.size <= MAX_CACHED_FILES) break;
    cache.delete(oldest);
    revoke(url);
  }
  return file.url;
}

async function fetchFile(key: string, { id }: Task, field: string, signal: AbortSignal): Promise<string> {
  const path = `/tasks/${encodeURIComponent(id)}/files/${encodeURIComponent(field)}`;
  const response = await sendRequest('GET', accountPath(key, path), undefined, signal);
  return URL.createObjectURL(await response.blob());
}

/** The response fields of a completed task that contain a result file. */
export const getResultFields = ({ status, result }: Task): [field: string, kind: 'video' | 'image'][] =>
  status !== 'completed'
    ? []
    : (Object.entries(result ?? {}).flatMap(([field, url]) => {
        const [, extension] = /\.(mp4|jpg)$/.exec(url) ?? [];
        return extension ? [[field, extension === 'mp4' ? 'video' : 'image'] as const] : [];
      }) as [string, 'video' | 'image'][]);
