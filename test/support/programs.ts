import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RUN_DIR } from './run-dir.ts';

const FILE = 'missing-programs';

/** Whether a program is installed on this machine. If it is not, the end of the run names it. */
export function hasProgram(command: string, ...args: string[]): boolean {
  const isInstalled = succeeds(command, ...args);
  if (!isInstalled) reportMissing(command);
  return isInstalled;
}

/** Whether a program runs and exits with 0. */
export function succeeds(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Lets the end of the run say that tests were skipped because a program is not installed. */
export function reportMissing(name: string): void {
  // Undefined in a script that is not a test.
  if (RUN_DIR) appendFileSync(join(RUN_DIR, FILE), `${name}\n`);
}

/** The programs that were missing in the run with this directory, in alphabetical order. */
export function readMissingPrograms(runDir: string): string[] {
  const file = join(runDir, FILE);
  if (!existsSync(file)) return [];
  return [...new Set(readFileSync(file, 'utf8').trim().split('\n'))].sort();
}
