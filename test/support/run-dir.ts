import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Name of the environment variable through which the workers of a run of the tests get its directory. */
const VARIABLE = 'EMULATOR_TEST_RUN_DIR';

/** A directory for what all workers of this run of the tests share. `global-setup.ts` creates and deletes it. */
export const RUN_DIR = process.env[VARIABLE]!;

export function createRunDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'nanophoto-emulator-run-'));
  process.env[VARIABLE] = dir;
  return dir;
}
