import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { RUN_DIR } from './run-dir.ts';

const TIMEOUT_MS = 120_000;

/**
 * Fills a directory by the first caller in this run of the tests; all others, also those in other workers, wait for it.
 * Resolves with the path. The directory is deleted at the end of the run.
 */
export async function oncePerRun(name: string, fill: (dir: string) => Promise<void>): Promise<string> {
  const dir = join(RUN_DIR, name);
  const [isFilled, hasFailed] = [`${dir}.filled`, `${dir}.failed`];
  if (isFirstCaller(dir)) {
    try {
      await fill(dir);
      writeFileSync(isFilled, '');
    } catch (error) {
      writeFileSync(hasFailed, '');
      throw error;
    }
  }
  await vi.waitUntil(() => existsSync(isFilled) || existsSync(hasFailed), { timeout: TIMEOUT_MS, interval: 20 });
  if (existsSync(hasFailed)) throw new Error(`another test file failed to prepare ${name}`);
  return dir;
}

function isFirstCaller(dir: string): boolean {
  try {
    mkdirSync(dir);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
