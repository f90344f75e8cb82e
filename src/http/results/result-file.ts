import * as z from 'zod';
import type { Task } from '../../core/tasks/task.ts';
import type { Content } from '../../rendering/content.ts';

/** A kind of file that the completed tasks of a family have. */
export interface ResultFile {
  /** Folder below `/media`, and on the vendor's hosts. */
  folder: string;
  extension: 'mp4' | 'jpg';
  /** Field of the task that is the file name, without the extension. */
  namedBy: 'id' | 'clientRef';
  /** @param input The task's input, as stored. That of an imported task can be any object. */
  contentOf(input: unknown, task: Task): Content;
}

/** Files by the response field that has their URL. */
export type ResultFiles = Readonly<Record<string, ResultFile>>;

/**
 * Defines a file.
 * @param fields The fields of the input that the content depends on, each with the value to use if it is invalid
 */
export function resultFile<Fields extends Readonly<Record<string, z.ZodCatch>>>(
  folder: string,
  extension: ResultFile['extension'],
  fields: Fields,
  contentOf: (input: z.output<z.ZodObject<Fields>>, task: Task) => Content,
  namedBy: ResultFile['namedBy'] = 'id',
): ResultFile {
  const Input = z.object(fields);
  return { folder, extension, namedBy, contentOf: (input, task) => contentOf(Input.parse(input), task) };
}

const FILE_NAME = /^[a-z0-9_]{1,64}$/;

/** Returns the name of a task's file, without the extension. The `clientRef` of an imported task can be any text. */
export function getFileName({ namedBy }: ResultFile, { id, clientRef }: Task): string {
  return namedBy === 'clientRef' && clientRef !== null && FILE_NAME.test(clientRef) ? clientRef : id;
}
