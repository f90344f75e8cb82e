import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

const make = () => mkdtempSync(join(tmpdir(), 'nanophoto-emulator-'));
const remove = (dir: string) => rmSync(dir, { recursive: true, force: true });

/** A folder of the running test's own, gone when the test is over. */
export function tempDir(): string {
  const dir = make();
  onTestFinished(() => remove(dir));
  return dir;
}

const lasting: string[] = [];
afterAll(() => lasting.splice(0).forEach(remove));

/** A folder for all tests of a file. */
export function lastingTempDir(): string {
  const dir = make();
  lasting.push(dir);
  return dir;
}
