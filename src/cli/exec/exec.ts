import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { writeAllArtifacts } from '../../client/artifacts.ts';
import { createControl } from '../../client/client.ts';
import { toPrintableLine } from '../../core/control-chars.ts';
import { SetupError } from '../../core/errors.ts';
import { prepareOutputDir } from '../../core/files.ts';
import { PRELOAD_FILE } from '../../paths.ts';
import { createControlTransport } from '../../server/control-transport.ts';
import { openEmulator } from '../../server/emulator.ts';
import { createLogger } from '../../server/logger.ts';
import type { Config } from '../../settings/config.ts';
import type { ExecOptions } from '../arguments.ts';
import { buildCaBundle, type ExecServer, environmentFor, FALLBACK_KEY } from './environment.ts';
import { createReport, pluralize } from './report.ts';

const FORWARDED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
/** Signals that a terminal sends to all of its foreground processes when a key is pressed. */
const TERMINAL_SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];
const FINDINGS_EXIT_CODE = 1;

/**
 * Runs a command in an environment that redirects https://nanophoto.ai to an emulator of its own, or to a proxy that
 * records the real service. Resolves with the exit code for this process: the command's own, or 128 plus the number of
 * the signal that ended it.
 *
 * @throws SetupError when the command cannot be started
 */
export async function exec(config: Config, options: ExecOptions): Promise<number> {
  const { command, env } = options;
  // The reader of our output may be gone; the exit code of the command must survive that.
  process.stderr.on('error', () => {});
  const signals = forwardSignals();
  const { logger, flush } = await createLogger({ ...config, to: 'stderr' });
  let dir: string | undefined;
  let server: ExecServer | undefined;
  try {
    server = await startServer(config, options, logger);
    const { url, key, certificate } = server;
    dir = makeTempDir();
    const trustFile = join(dir, 'trusted.pem');
    writeFileSync(trustFile, buildCaBundle(certificate, env));
    const proxyEnvironment = { url, key, trustFile, preloadFile: PRELOAD_FILE };
    const code = await runCommand(command, environmentFor(proxyEnvironment, env), signals);
    return await server.end(code);
  } finally {
    await server?.close();
    if (dir) rmSync(dir, { recursive: true, force: true });
    await flush();
    signals.stop();
  }
}

async function startServer(config: Config, options: ExecOptions, logger: Logger): Promise<ExecServer> {
  const { env, recording, report, failOnVerdict, artifacts } = options;
  if (recording) {
    // Imported on demand, as its packages would slow down the start of the emulator.
    const { startRecordingServer } = await import('./recording.ts');
    return startRecordingServer(recording, config, env, logger);
  }
  if (artifacts !== undefined) prepareOutputDir(artifacts);
  const emulator = await openEmulator(config, logger);
  try {
    return {
      url: toLoopback(await emulator.listen()),
      key: emulator.firstKey ?? FALLBACK_KEY,
      certificate: (await emulator.authority()).certificate,
      async end(code) {
        const control = createControl(createControlTransport(emulator.app, config.adminToken));
        if (artifacts !== undefined) {
          const count = await writeAllArtifacts(control, artifacts);
          const sentence = `Artifacts of ${pluralize(count, 'account')} are in ${artifacts}.`;
          process.stderr.write(`nanophoto-emulator: ${toPrintableLine(sentence)}\n`);
        }
        if (!report && !failOnVerdict) return code;
        const { text, findingCount } = await createReport(emulator.app, control);
        if (report || findingCount > 0) process.stderr.write(`\n${text}\n`);
        return code === 0 && findingCount > 0 && failOnVerdict ? FINDINGS_EXIT_CODE : code;
      },
      close: emulator.close,
    };
  } catch (error) {
    await emulator.close();
    throw error;
  }
}

/** Replaces a wildcard host with the loopback address: not every system lets clients connect to a wildcard. */
const toLoopback = (url: string) => url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=:)/, '//127.0.0.1');

function makeTempDir(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'nanophoto-emulator-'));
  } catch (cause) {
    throw new SetupError(`${tmpdir()} is not writable; set TMPDIR to a writable directory.`, { cause });
  }
}

type SignalForwarder = ReturnType<typeof forwardSignals>;

/** Forwards signals to the command once it is attached; a signal that comes earlier prevents its start. */
function forwardSignals() {
  let child: ChildProcess | undefined;
  let pendingSignal: NodeJS.Signals | undefined;
  const forward = (signal: NodeJS.Signals) => {
    if (!child) pendingSignal = signal;
    else if (!isSentToCommand(signal)) child.kill(signal);
  };
  for (const signal of FORWARDED_SIGNALS) process.on(signal, forward);
  return {
    pendingSignal: () => pendingSignal,
    attach(started: ChildProcess): void {
      child = started;
    },
    stop(): void {
      for (const signal of FORWARDED_SIGNALS) process.off(signal, forward);
    },
  };
}

/** Whether the sender of a signal that reached this process sends it to the command too. */
function isSentToCommand(signal: NodeJS.Signals): boolean {
  // On Windows, only the console sends signals, and to all of its processes. kill() would end the command at once.
  if (process.platform === 'win32') return true;
  return TERMINAL_SIGNALS.includes(signal) && hasTerminal();
}

/** Whether this process has a controlling terminal, even with redirected input. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** The exit code with which shells report that a signal ended a command. */
const exitCodeFor = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

/** Runs the command with our standard streams. Resolves with its exit code. @throws SetupError when it cannot start */
function runCommand(
  [program, ...args]: ExecOptions['command'],
  env: NodeJS.ProcessEnv,
  signals: SignalForwarder,
): Promise<number> {
  return new Promise<number>((resolve, reject) => {
    const onSpawnError = (error: NodeJS.ErrnoException) => {
      const reasons: Record<string, string> = {
        ENOENT: 'command not found',
        EACCES: 'it is not executable',
      };
      const reason = reasons[error.code ?? ''] ?? error.code ?? error.message;
      reject(new SetupError(`${program || '""'} cannot be started: ${reason}.`, { cause: error }));
    };
    const pendingSignal = signals.pendingSignal();
    if (pendingSignal) return resolve(exitCodeFor(pendingSignal));
    try {
      const child = spawn(program, args, { stdio: 'inherit', env });
      signals.attach(child);
      child.on('error', onSpawnError);
      child.on('exit', (code, signal) => resolve(code ?? exitCodeFor(signal!)));
    } catch (error) {
      onSpawnError(error as NodeJS.ErrnoException);
    }
  });
}
