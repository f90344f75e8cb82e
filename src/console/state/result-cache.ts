import { signal } from '@preact/signals';
import PQueue from 'p-queue';
import type { Task } from '../../client/types.ts';
import { wallMs } from '../time.ts';
import { accountPath, sendRequest } from './api.ts';

/** Fetched a few at a time: images are drawn when they are asked for. */
const queue = new PQueue({ concurrency: 2 });
/** What is looked at and what was looked at last. */
const MAX_CACHED_FILES = 80;
/** Results can expire: who comes back to one later is told what a client would be told then. */
const CACHE_TTL_MS = 10_000;
const cache = new Map<string, { url: Promise<string>; fetchedAtMs: number }>();
/** Changes when files may have become others: after a reset another task can have the same id and times. */
export const cacheVersion = signal(0);

export function clearResultCache(): void {
  for (const { url } of cache.values()) revoke(url);
  cache.clear();
  cacheVersion.value += 1;
}

const revoke = (url: Promise<string>) => void url.then(URL.revokeObjectURL, () => {});

const cacheIdFor = (key: string, { id, createdAt, finishedAt }: Task, field: string) =>
  [key, id, field, createdAt, finishedAt].join(' ');

/**
 * An address, good in this page alone, of a file that came of a task. It is asked for over the control plane: the client's own
 * fetches are in the journal, and rules strike them. What nobody waits for any more leaves the queue. @throws Refusal
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
  // One that could not be had now may be had later.
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

/** What a task has given, by the fields of its answer. */
export const getResultFields = ({ status, result }: Task): [field: string, kind: 'video' | 'image'][] =>
  status !== 'completed'
    ? []
    : (Object.entries(result ?? {}).flatMap(([field, url]) => {
        const [, extension] = /\.(mp4|jpg)$/.exec(url) ?? [];
        return extension ? [[field, extension === 'mp4' ? 'video' : 'image'] as const] : [];
      }) as [string, 'video' | 'image'][]);
