import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SetupError } from '../../core/errors.ts';
import { PRELOAD_FILE } from '../../paths.ts';
import { openEmulator } from '../../server/emulator.ts';
import { createLogger } from '../../server/logger.ts';
import type { Config, ExecOptions } from '../../settings/config.ts';
import { environmentFor, trustedBeside } from './environment.ts';
import { reportOn } from './report.ts';

const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
/** What a terminal sends to all of its programs by itself when a key is pressed. */
const OF_TERMINALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];
const FAILED_VERDICT = 1;

/**
 * Runs a command beside an emulator of its own, in an environment in which https://nanophoto.ai leads to it. Resolves with
 * the exit code that is to be ours: the command's, or as a shell tells a signal.
 * @throws SetupError when the command cannot be started
 */
export async function exec(config: Config, options: ExecOptions): Promise<number> {
  const { command, env, report, failOnVerdict } = options;
  // Who reads it may be gone; what the command ends with counts more.
  process.stderr.on('error', () => {});
  const signals = passOnSignals();
  const { logger, flush } = await createLogger({ ...config, to: 'stderr' });
  const emulator = await openEmulator(config, logger);
  let dir: string | undefined;
  try {
    const url = reachable(await emulator.listen());
    const { certificate } = await emulator.authority();
    dir = makeTempDir();
    const trustFile = join(dir, 'trusted.pem');
    writeFileSync(trustFile, trustedBeside(certificate, env));
    const key = emulator.firstKey ?? 'np_test_exec';
    const surroundings = { url, key, trustFile, preloadFile: PRELOAD_FILE };
    const code = await run(command, environmentFor(surroundings, env), signals);
    if (!report && !failOnVerdict) return code;
    const { text, findings } = await reportOn(emulator.app, config.adminToken);
    if (report || findings > 0) process.stderr.write(`\n${text}\n`);
    return code === 0 && findings > 0 && failOnVerdict ? FAILED_VERDICT : code;
  } finally {
    await emulator.close();
    if (dir) rmSync(dir, { recursive: true, force: true });
    await flush();
    signals.stop();
  }
}

/** Where programs on this machine find what listens on all addresses. */
const reachable = (url: string) => url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=:)/, '//127.0.0.1');

function makeTempDir(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'nanophoto-emulator-'));
  } catch (cause) {
    throw new SetupError(`${tmpdir()} cannot be written; set TMPDIR to a directory that can.`, { cause });
  }
}

type Signals = ReturnType<typeof passOnSignals>;

/** From the first moment on: a signal that comes before there is a command keeps it from starting. */
function passOnSignals() {
  let child: ChildProcess | undefined;
  let early: NodeJS.Signals | undefined;
  const passOn = (signal: NodeJS.Signals) => {
    if (!child) early = signal;
    else if (!OF_TERMINALS.includes(signal) || !hasTerminal()) child.kill(signal);
  };
  for (const signal of PASSED_ON) process.on(signal, passOn);
  return {
    early: () => early,
    to(started: ChildProcess): void {
      child = started;
    },
    stop(): void {
      for (const signal of PASSED_ON) process.off(signal, passOn);
    },
  };
}

/** Whether there is a terminal that we belong to, wherever our input comes from. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** As a shell tells that a signal ended a command. */
const codeOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

/** The exit code of a command that has our input and output, and every signal that we are sent. */
function run(
  [program, ...args]: ExecOptions['command'],
  env: NodeJS.ProcessEnv,
  signals: Signals,
): Promise<number> {
  return new Promise<number>((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => {
      const known: Record<string, string> = {
        ENOENT: 'there is no such command',
        EACCES: 'it is not executable',
      };
      const why = known[error.code ?? ''] ?? error.code ?? error.message;
      reject(new SetupError(`${program || '""'} cannot be started: ${why}.`, { cause: error }));
    };
    const early = signals.early();
    if (early) return resolve(codeOf(early));
    try {
      const child = spawn(program, args, { stdio: 'inherit', env });
      signals.to(child);
      child.on('error', refuse);
      child.on('exit', (code, signal) => resolve(code ?? codeOf(signal!)));
    } catch (error) {
      refuse(error as NodeJS.ErrnoException);
    }
  });
}
