import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

/*
 * Installs the tools that only some tests need. They are a package of their own, test/package.json, because they are
 * most of what the tests download. Does nothing if the lock file has not changed since the last time.
 */
const STAMP = 'test/node_modules/.lock-hash';
const hash = createHash('sha256').update(readFileSync('test/package-lock.json')).digest('hex');
if (readStamp() !== hash) {
  console.log('Installing the tools of the tests into test/node_modules …');
  const flags = ['ci', '--prefix', 'test', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', flags, { stdio: 'inherit', shell: process.platform === 'win32' });
  writeFileSync(STAMP, hash);
}

function readStamp() {
  try {
    return readFileSync(STAMP, 'utf8');
  } catch {
    return undefined;
  }
}
