import { useEffect, useRef, useState } from 'preact/hooks';
import type { Task } from '../../client/types.ts';
import type { Refusal } from '../state/api.ts';
import { era, fieldsOf, fileUrl } from '../state/result-cache.ts';
import { after } from '../time.ts';

/** Rows that are only scrolled past ask for nothing. */
const SETTLED_MS = 150;

/** Whoever waited has gone. */
const isLeft = (error: Error) => error.name === 'AbortError' || (error as Partial<Refusal>).code === 'LEFT';

function useFile(accountKey: string, task: Task, field: string, delayMs: number) {
  const [file, setFile] = useState<{ url?: string; trouble?: string; of?: Task }>({});
  const { id, createdAt, finishedAt } = task;
  // What could not be had of a task may be had of it as it is read again: it can be another one, of the same id and times.
  const again = useRef(0);
  if (file.of !== undefined && file.of !== task) again.current += 1;
  useEffect(() => {
    const leave = new AbortController();
    const { signal } = leave;
    setFile({});
    const tell = (told: typeof file) => {
      if (!signal.aborted) setFile(told);
    };
    const load = (): Promise<void> =>
      fileUrl(accountKey, task, field, signal).then(
        (url) => tell({ url }),
        // Another one that waited for the same file has left.
        (error: Error) =>
          isLeft(error) && !signal.aborted ? load() : tell({ trouble: error.message, of: task }),
      );
    const cancel = after(delayMs, () => void load());
    return () => {
      leave.abort();
      cancel();
    };
  }, [accountKey, id, field, createdAt, finishedAt, era.value, again.current]);
  return file;
}

/** The first thing that a task has given, small. */
export function Thumbnail({ accountKey, task }: { accountKey: string; task: Task }) {
  const [first] = fieldsOf(task);
  return (
    <span class="thumb">
      {first && <Small accountKey={accountKey} task={task} field={first[0]} kind={first[1]} />}
    </span>
  );
}

function Small({ accountKey, task, field, kind }: FileProps) {
  const { url } = useFile(accountKey, task, field, SETTLED_MS);
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
  const { url, trouble } = useFile(accountKey, task, field, 0);
  if (trouble !== undefined) return <p class="bad">{trouble}</p>;
  if (url === undefined) return <p class="quiet">Loading …</p>;
  if (kind === 'image') return <img class="result" src={url} alt={`The ${field} of this task`} />;
  return (
    // biome-ignore lint/a11y/useMediaCaption: what is generated has nothing to be read
    <video class="result" src={url} controls preload="metadata" aria-label={`The ${field} of this task`} />
  );
}
