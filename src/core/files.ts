import { accessSync, closeSync, constants, fstatSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { SetupError } from './errors.ts';
import { TextDecoder } from './globals.ts';
import { endSentence } from './sentence.ts';

const CHUNK_BYTES = 64 * 1024;

/**
 * Opens a file that the user names for reading. It never waits, as opening a named pipe would.
 *
 * @throws Error when the path is not a regular file, or not readable
 */
export function openRegularFile(path: string): number {
  // Opening a device can already have an effect. The second check is for a path that has been replaced meanwhile.
  if (!statSync(path).isFile()) throw new Error('it is not a regular file');
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new Error('it is not a regular file');
}

/** Reads a regular file in chunks. @throws Error when `openRegularFile` does, or when reading fails */
export function* readChunks(path: string): Generator<Buffer, void, void> {
  const fd = openRegularFile(path);
  try {
    // The size of the file does not say how much there is to read: the files below /proc have the size 0.
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const count = readSync(fd, chunk);
      if (count === 0) return;
      yield chunk.subarray(0, count);
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads a file as `readChunks` does, but not much more than `maxBytes`, so that a huge file does not fill the memory.
 *
 * @throws Error also when the file is larger
 */
export function readRegularFile(path: string, maxBytes: number): Buffer {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (const chunk of readChunks(path)) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
  }
  return Buffer.concat(chunks);
}

/** Reads a text in UTF-8, as `readRegularFile` does. @throws Error also when it is not valid UTF-8 */
export function readTextFile(path: string, maxBytes: number): string {
  const bytes = readRegularFile(path, maxBytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error('it is not valid UTF-8', { cause });
  }
}

/**
 * Creates a directory and its parents; mkdirSync's `recursive` option never returns for a path below /proc.
 *
 * @throws SetupError when one of them is a file, and Error when one cannot be created
 */
export function makeDir(dir: string, mode: number): void {
  if (dirname(dir) !== dir) makeDir(dirname(dir), mode);
  const stats = statSync(dir, { throwIfNoEntry: false });
  if (!stats) mkdirSync(dir, { mode });
  else if (!stats.isDirectory()) throw new SetupError(`${dir} is a file; choose a directory.`);
}

/** Creates a directory for files that are written later. @throws SetupError when files cannot be written to it */
export function prepareOutputDir(dir: string): void {
  withWriteErrors(dir, () => {
    makeDir(resolve(dir), 0o777);
    accessSync(dir, constants.W_OK | constants.X_OK);
  });
}

/** Runs `write` and turns its errors into sentences that name the path. @throws SetupError */
export function withWriteErrors(path: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    if (cause instanceof SetupError) throw cause;
    throw new SetupError(`${path} cannot be written: ${endSentence((cause as Error).message)}`, { cause });
  }
}
