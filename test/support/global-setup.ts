import { execFileSync } from 'node:child_process';

/** Builds the command, and installs the tools that some tests need. */
export default function prepare(): void {
  execFileSync(process.execPath, ['scripts/test-tools.mjs'], { stdio: 'inherit' });
  execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
}
