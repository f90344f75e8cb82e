import type { Task } from '../../core/tasks/task.ts';
import type { Content } from '../../rendering/content.ts';

/** A file that completed tasks of a family have. */
export interface ResultFile {
  /** Below `/media`, and on the vendor's hosts. */
  folder: string;
  extension: 'mp4' | 'jpg';
  /** What its name is, without the extension. */
  namedBy: 'id' | 'clientRef';
  /** `input`: what the task was made of, as the family stored it. */
  contentOf(input: unknown, task: Task): Content;
}

/** By the fields of the answer that name their URLs. */
export type ResultFiles = Readonly<Record<string, ResultFile>>;

export const resultFile = <Input>(
  folder: string,
  extension: ResultFile['extension'],
  contentOf: (input: Input, task: Task) => Content,
  namedBy: ResultFile['namedBy'] = 'id',
): ResultFile => ({ folder, extension, namedBy, contentOf: contentOf as ResultFile['contentOf'] });

/** What the file is called for this task. */
export const getFileName = ({ namedBy }: ResultFile, task: Task): string => task[namedBy] ?? task.id;
