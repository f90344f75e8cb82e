import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { makeDir } from '../../core/files.ts';

/** A result file that is being written. Errors do not stop the download of the client that the file comes from. */
export interface ResultRecording {
  write(chunk: Uint8Array): void;
  /** Closes the file, and removes it if it is not whole. Returns whether it is kept. */
  end(isWhole: boolean): boolean;
}

/** Returns the path at which the file of a URL is stored, always below `dir`. */
export function toResultPath(dir: string, host: string, path: string): string {
  const segments = [host, ...path.split('/')]
    .map((segment) => segment.replaceAll(/[^\w.-]/g, '_').slice(-100))
    .filter((segment) => !/^\.*$/.test(segment))
    .slice(-8);
  // `drift` reads all files that end in .json as samples.
  return join(dir, ...segments).replace(/\.json$/i, '.json.txt');
}

/** Creates a file. Undefined: it exists already, or cannot be created. `onError` is called once, at the first error. */
export function createResultFile(file: string, onError: (error: unknown) => void): ResultRecording | undefined {
  if (existsSync(file)) return undefined;
  let isBroken = false;
  function attempt<T>(operation: () => T): T | undefined {
    try {
      return operation();
    } catch (error) {
      if (!isBroken) onError(error);
      isBroken = true;
      return undefined;
    }
  }
  const fd = attempt(() => {
    makeDir(resolve(dirname(file)), 0o777);
    return openSync(file, 'wx');
  });
  if (fd === undefined) return undefined;
  return {
    write(chunk) {
      // Unlike writeSync, it writes the rest when only a part was written.
      if (!isBroken) attempt(() => writeFileSync(fd, chunk));
    },
    end(isWhole) {
      attempt(() => closeSync(fd));
      const isKept = isWhole && !isBroken;
      if (!isKept) attempt(() => rmSync(file));
      return isKept;
    },
  };
}
