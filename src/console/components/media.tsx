import { useEffect, useRef, useState } from 'preact/hooks';
import type { Task } from '../../client/types.ts';
import type { ApiError } from '../state/api.ts';
import { cacheVersion, fileUrl, getResultFields } from '../state/result-cache.ts';
import { schedule } from '../time.ts';

/** Delays the thumbnail of a row, so that rows that are scrolled past fetch nothing. */
const SCROLL_DEBOUNCE_MS = 150;

/** Whether the fetch was aborted because the component that started it is gone. */
const isAborted = (error: Error) => error.name === 'AbortError' || (error as Partial<ApiError>).code === 'ABORTED';

function useFile(accountKey: string, task: Task, field: string, delayMs: number) {
  const [file, setFile] = useState<{ url?: string; error?: string; task?: Task }>({});
  const { id, createdAt, finishedAt } = task;
  // After a failure, try again once the task has been re-read: it may be another task with the same id and timestamps.
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
        // The shared fetch was aborted by another component: start a new one.
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

/** A thumbnail of a task's first result file. */
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

/** Shows an image, or plays a video, from a task's result. */
export function ResultFile({ accountKey, task, field, kind }: FileProps) {
  const { url, error } = useFile(accountKey, task, field, 0);
  if (error !== undefined) return <p class="bad">{error}</p>;
  if (url === undefined) return <p class="quiet">Loading …</p>;
  if (kind === 'image') return <img class="result" src={url} alt={`The ${field} of this task`} />;
  return (
    // biome-ignore lint/a11y/useMediaCaption: generated videos have no captions
    <video class="result" src={url} controls preload="metadata" aria-label={`The ${field} of this task`} />
  );
}
