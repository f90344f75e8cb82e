import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { readMissingPrograms } from './programs.ts';
import { createRunDir } from './run-dir.ts';

/** Builds the command, and installs the tools that some tests need. Returns the work to do after all tests. */
export default function prepare(): () => void {
  execFileSync(process.execPath, ['scripts/test-tools.mjs'], { stdio: 'inherit' });
  execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
  const dir = createRunDir();
  return () => {
    const missing = readMissingPrograms(dir);
    if (missing.length > 0) console.log(`Tests were skipped because a program is not installed: ${missing.join(', ')}`);
    rmSync(dir, { recursive: true, force: true });
  };
}
