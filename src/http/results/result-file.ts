import type { Task } from '../../core/tasks/task.ts';
import type { Content } from '../../rendering/content.ts';

/** A kind of file that the completed tasks of a family have. */
export interface ResultFile {
  /** Folder below `/media`, and on the vendor's hosts. */
  folder: string;
  extension: 'mp4' | 'jpg';
  /** Field of the task that is the file name, without the extension. */
  namedBy: 'id' | 'clientRef';
  /** @param input The task's input, as the family stored it */
  contentOf(input: unknown, task: Task): Content;
}

/** Files by the response field that has their URL. */
export type ResultFiles = Readonly<Record<string, ResultFile>>;

export const resultFile = <Input>(
  folder: string,
  extension: ResultFile['extension'],
  contentOf: (input: Input, task: Task) => Content,
  namedBy: ResultFile['namedBy'] = 'id',
): ResultFile => ({ folder, extension, namedBy, contentOf: contentOf as ResultFile['contentOf'] });

/** Returns the name of a task's file, without the extension. */
export const getFileName = ({ namedBy }: ResultFile, task: Task): string => task[namedBy] ?? task.id;
