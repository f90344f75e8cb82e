import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import { exec } from '../../src/cli/exec/exec.ts';
import { tempDir } from './temp-dir.ts';

/**
 * Runs `exec` in this process, which takes a third of the time. Its logger is not captured: use a log level that is not
 * reached. Returns the exit code and what the command and `exec` print.
 */
export async function execHere(command: readonly string[], flags: readonly string[] = [], env: object = {}) {
  const dir = tempDir();
  const captured = ['sh', '-c', 'exec "$@" >"$0/stdout" 2>"$0/stderr"', dir, ...command];
  let own = '';
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    own += text;
    return true;
  });
  const listeners = process.stderr.listeners('error') as (() => void)[];
  try {
    const { config, exec: options } = readCommand(['exec', ...flags, '--', ...captured], {
      PATH: process.env.PATH!,
      ...env,
    });
    const code = await exec(config, options!);
    const read = (name: string) => readFileSync(join(dir, name), 'utf8');
    return { code, stdout: read('stdout'), stderr: read('stderr') + own };
  } finally {
    write.mockRestore();
    process.stderr.removeAllListeners('error');
    for (const listener of listeners) process.stderr.on('error', listener);
  }
}
