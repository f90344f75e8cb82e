import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { findFreePort, MAIN } from './command.ts';
import { tempDir } from './temp-dir.ts';

/** A line that prints "stopped" if no emulator runs. */
export const IS_STOPPED = 'curl -s "http://127.0.0.1:$NANOPHOTO_EMULATOR_PORT/ready" || echo stopped';

const noop = () => {};

/**
 * Runs lines of a shell with this build of the emulator as `nanophoto-emulator`, also through npx. A substitute for npm
 * prints its arguments, and for `npm test` the variables that the tests get and the status of the emulator.
 */
export async function createShell() {
  const dir = tempDir();
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  const emulator = `"${process.execPath}" "${MAIN}"`;
  const programs = {
    'nanophoto-emulator': `exec ${emulator} "$@"`,
    npx: `shift; exec ${emulator} "$@"`,
    npm: `echo "npm $*"
      if [ "$*" = test ]; then echo "$NANOPHOTO_API_KEY"; curl -sS "$NANOPHOTO_API_BASE_URL/ready"; echo; fi`,
  };
  for (const [name, lines] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${lines}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const port = String(await findFreePort());
  const env = { PATH: `${bin}:${process.env.PATH}`, TMPDIR: dir, NANOPHOTO_EMULATOR_PORT: port };
  const run = async (lines: string, more: Record<string, string> = {}) =>
    (await promisify(execFile)('bash', ['-eo', 'pipefail', '-c', lines], { cwd: dir, env: { ...env, ...more } }))
      .stdout;
  const socket = join(dir, `nanophoto-emulator-user-${process.getuid?.()}`, `${port}.sock`);
  onTestFinished(() => (existsSync(socket) ? run('nanophoto-emulator stop').then(noop, noop) : undefined));
  return { dir, port, run };
}
