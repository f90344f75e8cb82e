import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config, ExecOptions } from './config.ts';
import { SetupError } from './core/errors.ts';
import { openEmulator } from './emulator.ts';
import { environmentFor, trustedBeside } from './exec/environment.ts';
import { reportOn } from './exec/report.ts';
import { createLogger } from './logger.ts';
import { PRELOAD_FILE } from './paths.ts';

const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
const FAILED_VERDICT = 1;

/**
 * Runs a command beside an emulator of its own, in an environment in which https://nanophoto.ai leads to it. Resolves with
 * the exit code that is to be ours: the command's, or as a shell tells a signal.
 * @throws SetupError when the command cannot be started
 */
export async function exec(config: Config, options: ExecOptions): Promise<number> {
  const { command, env, report, failOnVerdict } = options;
  const { logger, flush } = await createLogger({ ...config, to: 'stderr' });
  const emulator = await openEmulator(config, logger);
  const dir = mkdtempSync(join(tmpdir(), 'nanophoto-emulator-'));
  try {
    const { port } = new URL(await emulator.listen());
    const { certificate } = await emulator.authority();
    const trustFile = join(dir, 'trusted.pem');
    writeFileSync(trustFile, trustedBeside(certificate, env));
    const url = `http://127.0.0.1:${port}`;
    const key = emulator.firstKey ?? 'np_test_exec';
    const surroundings = { url, key, trustFile, preloadFile: PRELOAD_FILE };
    const code = await run(command, environmentFor(surroundings, env));
    if (!report && !failOnVerdict) return code;
    const { text, findings } = await reportOn(emulator.app, config.adminToken);
    if (report || findings > 0) process.stderr.write(`\n${text}\n`);
    return code === 0 && findings > 0 && failOnVerdict ? FAILED_VERDICT : code;
  } finally {
    await emulator.close();
    rmSync(dir, { recursive: true, force: true });
    await flush();
  }
}

/** The exit code of a command that has our input and output, and every signal that we are sent. */
function run([program, ...args]: ExecOptions['command'], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit', env });
  const passOn = (signal: NodeJS.Signals) => {
    // A terminal sends this one to all of its programs by itself.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of PASSED_ON) process.on(signal, passOn);
  return new Promise<number>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'there is no such command' : error.message;
      reject(new SetupError(`${program} cannot be started: ${why}.`, { cause: error }));
    });
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  }).finally(() => {
    for (const signal of PASSED_ON) process.off(signal, passOn);
  });
}
