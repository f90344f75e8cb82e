import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from '../../core/errors.ts';
import { DETACHED_FILE } from '../../paths.ts';
import type { Config } from '../../settings/config.ts';
import { alreadyRuns, type DetachedEmulator, findDetached, openStateDir } from './control-socket.ts';

/** Message of the detached process: the emulator that is ready, or the sentence of a SetupError. */
export type DetachedReport = { emulator: DetachedEmulator } | { error: string };

/**
 * Starts an emulator in a process of its own, which outlives this one. Resolves when it is ready.
 *
 * @throws SetupError when it cannot start
 */
export async function startDetached(config: Config): Promise<DetachedEmulator & { port: number; log: string }> {
  const running = config.port === 0 ? undefined : await findDetached(config.port);
  if (running) throw alreadyRuns(config.port, running);
  const log = join(openStateDir(), `emulator-${process.pid}.log`);
  const fd = openSync(log, 'a', 0o600);
  const child = spawn(process.execPath, [...process.execArgv, DETACHED_FILE], {
    detached: true,
    windowsHide: true,
    stdio: ['ignore', fd, fd, 'ipc'],
    // Settings can be undefined, which JSON cannot express.
    serialization: 'advanced',
  });
  closeSync(fd);
  child.send(config);
  const ended = once(child, 'exit').then((): DetachedReport => {
    const hasOutput = statSync(log).size > 0;
    return { error: `The emulator ended before it was ready${hasOutput ? `; ${log} says why` : ''}.` };
  });
  const report = await Promise.race([once(child, 'message').then(([message]) => message as DetachedReport), ended]);
  if ('error' in report) {
    if (statSync(log).size === 0) rmSync(log, { force: true });
    throw new SetupError(report.error);
  }
  child.disconnect();
  child.unref();
  return { ...report.emulator, port: Number(new URL(report.emulator.url).port), log };
}
