import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';

const TOOLING = 'test/tooling';

export default function build(): void {
  installTooling();
  execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
}

/** Installs the packages that only some tests need, unless they are there and match their lock file. */
function installTooling(): void {
  // npm writes this file last.
  const installed = statSync(`${TOOLING}/node_modules/.package-lock.json`, { throwIfNoEntry: false });
  if (installed && installed.mtimeMs >= statSync(`${TOOLING}/package-lock.json`).mtimeMs) return;
  const args = ['ci', '--prefix', TOOLING, '--ignore-scripts', '--no-audit', '--no-fund'];
  execFileSync('npm', args, { stdio: 'inherit' });
}
