#!/usr/bin/env node
import { type Command, readCommand } from './cli/arguments.ts';
import { formatEnv, stop } from './cli/detach/commands.ts';
import { startDetached } from './cli/detach/start-detached.ts';
import { isReady, waitUntilReady } from './cli/healthcheck.ts';
import { limitHeapGrowth } from './cli/heap-growth.ts';
import { formatHelp } from './cli/help.ts';
import { toPrintableLine } from './core/control-chars.ts';
import { SetupError } from './core/errors.ts';
import { FONTCONFIG_FILE, packageVersion } from './paths.ts';
import { RENDER_CONCURRENCY } from './rendering/render-concurrency.ts';

// The bundle is CommonJS, which has no top-level await.
void main();

async function main(): Promise<void> {
  try {
    await run(readCommand());
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`nanophoto-emulator: ${toPrintableLine(error.message)}\n`);
    process.exit(2);
  }
}

async function run(command: Command): Promise<void> {
  const {
    name,
    config,
    env,
    warnings,
    exec: options,
    detach = false,
    proxy = false,
    timeoutMs = 0,
    args = [],
  } = command;
  // A reader that closes the pipe early, such as head, is not an error.
  if (detach || !['start', 'exec', 'open'].includes(name)) process.stdout.on('error', () => {});
  // Each command imports what it needs: loading the emulator takes most of the time of a short command.
  switch (name) {
    case 'help':
      return print(formatHelp());
    case 'version':
      return print(packageVersion());
    case 'config':
      return print((await import('./cli/config.ts')).formatConfig(config));
    case 'ca':
      return print((await (await import('./cli/ca.ts')).readCaCertificate(config)).trimEnd());
    case 'healthcheck':
      return process.exit((await isReady(config)) ? 0 : 1);
    case 'exec': {
      const { exec } = await import('./cli/exec/exec.ts');
      prepareProcess(env);
      return process.exit(await exec(config, options!));
    }
    case 'start': {
      if (detach) return printDetached(command);
      const { start } = await import('./cli/start.ts');
      prepareProcess(env);
      return void (await start(config, warnings));
    }
    case 'wait':
      return waitUntilReady(config, timeoutMs);
    case 'stop':
      return stop(config);
    case 'env':
      return print(await formatEnv(config, proxy, env));
    case 'open': {
      const { runOpen } = await import('./cli/open.ts');
      prepareProcess(env);
      return runOpen(args);
    }
    case 'verify':
      return (await import('./cli/verify.ts')).runVerify(args, env);
    case 'drift':
      return (await import('./cli/drift.ts')).runDrift(args, env);
    case 'import':
      return (await import('./cli/import.ts')).runImport(args, env);
    case 'state':
      return (await import('./cli/state.ts')).runState(args, env);
  }
}

async function printDetached({ config, env, warnings }: Command): Promise<void> {
  prepareProcess(env);
  for (const warning of warnings) process.stderr.write(`nanophoto-emulator: ${toPrintableLine(warning)}\n`);
  print(JSON.stringify(await startDetached(config)));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/**
 * Configures what can only be set for a whole process, and only before the first use. Called when the emulator is loaded:
 * with the smaller heap growth, garbage collections would slow down the loading.
 * Fontconfig finds only our fonts: images are the same on every machine, and machines without fonts work. Each thread
 * of libuv's pool that has rendered an image keeps 20 MB of memory, so the pool has only one more than render at once.
 */
function prepareProcess(env: NodeJS.ProcessEnv): void {
  if (!env.FONTCONFIG_FILE && !env.FONTCONFIG_PATH) env.FONTCONFIG_FILE = FONTCONFIG_FILE;
  env.UV_THREADPOOL_SIZE ||= String(RENDER_CONCURRENCY + 1);
  limitHeapGrowth();
}
