import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { readMissingPrograms } from './programs.ts';
import { createRunDir } from './run-dir.ts';

/** Everything that a build reads. */
const BUILD_INPUTS = ['src', 'scripts', 'package.json', 'node_modules/.package-lock.json'];
const [FIRST_OUTPUT, LAST_OUTPUT] = ['dist/undici.cjs', 'dist/THIRD-PARTY-LICENSES.txt'];

/** The latest change of a file, or of a file or folder below a folder. */
function latestChangeMs(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  // A removed file changes its folder.
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => latestChangeMs(`${path}/${name}`)));
}

/** Whether `dist` is the whole output of a build that began after the latest change of the sources. */
const isBuilt = () =>
  [...BUILD_INPUTS, FIRST_OUTPUT, LAST_OUTPUT].every((path) => existsSync(path)) &&
  statSync(FIRST_OUTPUT).mtimeMs > Math.max(...BUILD_INPUTS.map(latestChangeMs));

/** Builds the command if its sources have changed, and installs the tools that some tests need. Returns the work to do after all tests. */
export default function prepare(): () => void {
  execFileSync(process.execPath, ['scripts/test-tools.mjs'], { stdio: 'inherit' });
  if (!isBuilt()) execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
  const dir = createRunDir();
  return () => {
    const missing = readMissingPrograms(dir);
    if (missing.length > 0) console.log(`Tests were skipped because a program is not installed: ${missing.join(', ')}`);
    rmSync(dir, { recursive: true, force: true });
  };
}
