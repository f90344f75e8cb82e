import { signal } from '@preact/signals';
import PQueue from 'p-queue';
import type { Task } from '../../client/types.ts';
import { wallMs } from '../time.ts';
import { accountPath, send } from './api.ts';

/** Fetched a few at a time: images are drawn when they are asked for. */
const queue = new PQueue({ concurrency: 2 });
/** What is looked at and what was looked at last. */
const MOST_KEPT = 80;
/** Results can expire: who comes back to one later is told what a client would be told then. */
const KEPT_MS = 10_000;
const kept = new Map<string, { url: Promise<string>; fetchedAtMs: number }>();
/** Changes when files may have become others: after a reset another task can have the same id and times. */
export const era = signal(0);

export function forgetFiles(): void {
  for (const { url } of kept.values()) revoke(url);
  kept.clear();
  era.value += 1;
}

const revoke = (url: Promise<string>) => void url.then(URL.revokeObjectURL, () => {});

const nameOf = (key: string, { id, createdAt, finishedAt }: Task, field: string) =>
  [key, id, field, createdAt, finishedAt].join(' ');

/**
 * An address, good in this page alone, of a file that came of a task. It is asked for over the control plane: the client's own
 * fetches are in the journal, and rules strike them. What nobody waits for any more leaves the queue. @throws Refusal
 */
export function fileUrl(key: string, task: Task, field: string, signal: AbortSignal): Promise<string> {
  const name = nameOf(key, task, field);
  const had = kept.get(name);
  const isFresh = had !== undefined && wallMs() - had.fetchedAtMs < KEPT_MS;
  const file = isFresh
    ? had
    : { url: queue.add(() => read(key, task, field, signal), { signal }), fetchedAtMs: wallMs() };
  if (had && !isFresh) revoke(had.url);
  kept.delete(name);
  kept.set(name, file);
  // One that could not be had now may be had later.
  file.url.catch(() => kept.get(name) === file && kept.delete(name));
  for (const [oldest, { url }] of kept) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(oldest);
    revoke(url);
  }
  return file.url;
}

async function read(key: string, { id }: Task, field: string, signal: AbortSignal): Promise<string> {
  const path = `/tasks/${encodeURIComponent(id)}/files/${encodeURIComponent(field)}`;
  const response = await send('GET', accountPath(key, path), undefined, signal);
  return URL.createObjectURL(await response.blob());
}

/** What a task has given, by the fields of its answer. */
export const fieldsOf = ({ status, result }: Task): [field: string, kind: 'video' | 'image'][] =>
  status !== 'completed'
    ? []
    : (Object.entries(result ?? {}).flatMap(([field, url]) => {
        const [, extension] = /\.(mp4|jpg)$/.exec(url) ?? [];
        return extension ? [[field, extension === 'mp4' ? 'video' : 'image'] as const] : [];
      }) as [string, 'video' | 'image'][]);
