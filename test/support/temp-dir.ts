import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const createDir = () => mkdtempSync(join(tmpdir(), 'nanophoto-emulator-'));
const removeDir = (dir: string) => rmSync(dir, { recursive: true, force: true });

/** A temporary directory that is deleted after the running test. */
export function tempDir(): string {
  const dir = createDir();
  onTestFinished(() => removeDir(dir));
  return dir;
}

const lasting: string[] = [];
/** Deletes the directories of `lastingTempDir`. `setup.ts` calls it after each file. */
export const removeLastingTempDirs = (): void => lasting.splice(0).forEach(removeDir);

/** A temporary directory that is deleted after all tests of the file. */
export function lastingTempDir(): string {
  const dir = createDir();
  lasting.push(dir);
  return dir;
}
