import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from '../../core/errors.ts';
import { DETACHED_FILE } from '../../paths.ts';
import type { Config } from '../../settings/config.ts';
import { alreadyRuns, type DetachedEmulator, findDetached, openStateDir } from './control-socket.ts';

/** Message of the detached process: the emulator that is ready, or the sentence of a SetupError, if there is one. */
export type DetachedReport = { emulator: DetachedEmulator } | { error: string | undefined };

/**
 * Starts an emulator in a process of its own, which outlives this one. Resolves when it is ready.
 *
 * @throws SetupError when it cannot start
 */
export async function startDetached(config: Config): Promise<DetachedEmulator & { log: string }> {
  const running = config.port === 0 ? undefined : await findDetached(config.port);
  if (running) throw alreadyRuns(running);
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
  const report = await readReport(child, config);
  if ('error' in report) {
    const hasOutput = statSync(log).size > 0;
    if (!hasOutput) rmSync(log, { force: true });
    const reason = hasOutput ? `; ${log} says why` : '';
    throw new SetupError(report.error ?? `The emulator ended before it was ready${reason}.`);
  }
  child.disconnect();
  child.unref();
  return { ...report.emulator, log };
}

/** Sends the settings to the detached process and waits until it is ready or has ended. */
function readReport(child: ChildProcess, config: Config): Promise<DetachedReport> {
  return new Promise((resolve) => {
    child.on('message', (report: DetachedReport) => resolve(report));
    // After 'close', unlike after 'exit', all messages have arrived.
    child.on('close', () => resolve({ error: undefined }));
    child.on('error', ({ message }) => resolve({ error: `The emulator cannot be started: ${message}.` }));
    // A process that does not receive them ends.
    child.send(config, () => {});
  });
}
