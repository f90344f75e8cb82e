import { useEffect, useRef, useState } from 'preact/hooks';
import type { Task } from '../../client/types.ts';
import type { ApiError } from '../state/api.ts';
import { cacheVersion, fileUrl, getResultFields } from '../state/result-cache.ts';
import { schedule } from '../time.ts';

/** Rows that are only scrolled past ask for nothing. */
const SCROLL_DEBOUNCE_MS = 150;

/** Whoever waited has gone. */
const isAborted = (error: Error) => error.name === 'AbortError' || (error as Partial<ApiError>).code === 'LEFT';

function useFile(accountKey: string, task: Task, field: string, delayMs: number) {
  const [file, setFile] = useState<{ url?: string; error?: string; task?: Task }>({});
  const { id, createdAt, finishedAt } = task;
  // What could not be had of a task may be had of it as it is read again: it can be another one, of the same id and times.
  const attempt = useRef(0);
  if (file.task !== undefined && file.task !== task) attempt.current += 1;
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    setFile({});
    const update = (next: typeof file) => {
      if (!signal.aborted) setFile(next);
    };
    const load = (): Promise<void> =>
      fileUrl(accountKey, task, field, signal).then(
        (url) => update({ url }),
        // Another one that waited for the same file has left.
        (error: Error) => (isAborted(error) && !signal.aborted ? load() : update({ error: error.message, task })),
      );
    const cancel = schedule(delayMs, () => void load());
    return () => {
      controller.abort();
      cancel();
    };
  }, [accountKey, id, field, createdAt, finishedAt, cacheVersion.value, attempt.current]);
  return file;
}

/** The first thing that a task has given, small. */
export function Thumbnail({ accountKey, task }: { accountKey: string; task: Task }) {
  const [first] = getResultFields(task);
  return (
    <span class="thumb">
      {first && <ThumbnailMedia accountKey={accountKey} task={task} field={first[0]} kind={first[1]} />}
    </span>
  );
}

function ThumbnailMedia({ accountKey, task, field, kind }: FileProps) {
  const { url } = useFile(accountKey, task, field, SCROLL_DEBOUNCE_MS);
  if (url === undefined) return null;
  if (kind === 'image') return <img src={url} alt="" />;
  return <video src={url} muted preload="metadata" tabIndex={-1} aria-hidden="true" />;
}

interface FileProps {
  accountKey: string;
  task: Task;
  field: string;
  kind: 'video' | 'image';
}

/** One of the things that a task has given: plays, or is looked at. */
export function ResultFile({ accountKey, task, field, kind }: FileProps) {
  const { url, error } = useFile(accountKey, task, field, 0);
  if (error !== undefined) return <p class="bad">{error}</p>;
  if (url === undefined) return <p class="quiet">Loading …</p>;
  if (kind === 'image') return <img class="result" src={url} alt={`The ${field} of this task`} />;
  return (
    // biome-ignore lint/a11y/useMediaCaption: what is generated has nothing to be read
    <video class="result" src={url} controls preload="metadata" aria-label={`The ${field} of this task`} />
  );
}
