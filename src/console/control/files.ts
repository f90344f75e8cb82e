import PQueue from 'p-queue';
import type { Task } from '../../client/types.ts';
import { accountPath, send } from './call.ts';

/** Fetched a few at a time: images are drawn when they are asked for. */
const queue = new PQueue({ concurrency: 2 });
/** What is looked at and what was looked at last. */
const MOST_KEPT = 80;
const kept = new Map<string, Promise<string>>();

const nameOf = (key: string, { id, createdAt, finishedAt }: Task, field: string) =>
  // After a reset another task can have the same id.
  [key, id, field, createdAt, finishedAt].join(' ');

/**
 * An address, good in this page alone, of a file that came of a task. It is asked for over the control plane: the client's own
 * fetches are in the journal, and rules strike them. @throws Refusal
 */
export function fileUrl(key: string, task: Task, field: string): Promise<string> {
  const name = nameOf(key, task, field);
  const url = kept.get(name) ?? queue.add(() => read(key, task, field));
  kept.delete(name);
  kept.set(name, url);
  // One that could not be had now may be had later.
  url.catch(() => kept.delete(name));
  for (const [oldest, its] of kept) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(oldest);
    its.then(URL.revokeObjectURL, () => {});
  }
  return url;
}

async function read(key: string, { id }: Task, field: string): Promise<string> {
  const path = `/tasks/${encodeURIComponent(id)}/files/${encodeURIComponent(field)}`;
  const response = await send('GET', accountPath(key, path));
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
