import { accessSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';

/** Returns a folder for temporary files, in memory where there is one. */
export function runtimeDir(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}
