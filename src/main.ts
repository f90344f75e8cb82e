#!/usr/bin/env node
import { exec } from './cli/exec/exec.ts';
import { SetupError } from './core/errors.ts';
import { FONTCONFIG_FILE, packageVersion } from './paths.ts';
import { openAuthority } from './proxy/certificate-authority.ts';
import { openEmulator } from './server/emulator.ts';
import { createLogger } from './server/logger.ts';
import { readSeedFile } from './server/seed-file.ts';
import { type Command, printConfig, printHelp, readCommand, setFontconfig } from './settings/config.ts';

const HEALTH_TIMEOUT_MS = 2000;

try {
  await run(readCommand());
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`nanophoto-emulator: ${error.message}\n`);
  process.exit(2);
}

async function run({ name, config, warnings, exec: options, rest = [], env = {} }: Command): Promise<void> {
  switch (name) {
    case 'help':
      return print(printHelp());
    case 'version':
      return print(packageVersion());
    case 'config':
      // A seed file that makes no sense is refused here as it would be at a start.
      return print(printConfig(config, readSeedFile(config.seedFile, config).priceOverrides));
    case 'ca':
      return print((await loadCertificate(config)).trimEnd());
    case 'healthcheck':
      return process.exit((await isReady(config)) ? 0 : 1);
    case 'exec':
      setFontconfig(FONTCONFIG_FILE);
      process.exit(await exec(config, options!));
      break;
    case 'verify':
      return runVerify(rest, env);
    case 'drift':
      return runDrift(rest, env);
    case 'import':
      return runImport(rest, env);
    case 'start':
      return start(config, warnings);
  }
}

/** Has flags of its own, and needs much that others do not. */
async function runVerify(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { readVerifyOptions, VERIFY_HELP } = await import('./cli/verify-options.ts');
  const options = readVerifyOptions(argv, env);
  if (!options) return print(VERIFY_HELP);
  const { verify } = await import('./cli/verify.ts');
  ignoreClosedOutput();
  process.exitCode = await verify(options);
}

async function runDrift(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { readDriftOptions, DRIFT_HELP } = await import('./cli/drift-options.ts');
  const options = readDriftOptions(argv, env);
  if (!options) return print(DRIFT_HELP);
  const { drift } = await import('./cli/drift.ts');
  ignoreClosedOutput();
  process.exitCode = await drift(options);
}

async function runImport(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { readImportOptions, IMPORT_HELP } = await import('./cli/import-options.ts');
  const options = readImportOptions(argv, env);
  if (!options) return print(IMPORT_HELP);
  const { importSamples } = await import('./cli/import.ts');
  ignoreClosedOutput();
  await importSamples(options);
}

function print(text: string): void {
  ignoreClosedOutput();
  process.stdout.write(`${text}\n`);
}

/** Who reads it may have seen enough. */
function ignoreClosedOutput(): void {
  process.stdout.on('error', () => {});
}

/** Where an emulator with these settings answers programs on its machine. */
function toBaseUrl({ host, port }: Pick<Command['config'], 'host' | 'port'>): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

async function isReady(config: Command['config']): Promise<boolean> {
  const signal = AbortSignal.timeout(HEALTH_TIMEOUT_MS);
  const response = await fetch(`${toBaseUrl(config)}/ready`, { signal }).catch(() => undefined);
  return response?.ok === true;
}

/** Of the data directory, where one is made if there is none yet; else of the emulator that runs at this port. */
async function loadCertificate({ dataDir, host, port }: Command['config']): Promise<string> {
  if (dataDir !== undefined) return (await openAuthority(dataDir)).certificate;
  const url = `${toBaseUrl({ host, port })}/ca.pem`;
  const response = await fetch(url).catch(() => undefined);
  if (response?.ok) return response.text();
  throw new SetupError(
    `No emulator answers at ${url}; start one, say where it is with --port, or name its --data-dir.`,
  );
}

async function start(config: Command['config'], warnings: string[]): Promise<void> {
  setFontconfig(FONTCONFIG_FILE);
  const { logger, flush } = await createLogger(config);
  for (const warning of warnings) logger.warn(warning);
  // Before anything is opened, because the first process of a container is not ended by a signal that it does not handle.
  const stop = (signal: NodeJS.Signals) => {
    // A second signal means now.
    process.once(signal, () => process.exit(1));
    logger.info({ signal }, 'stopping');
    void opening
      .then((emulator) => emulator.close())
      .then(flush)
      .then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const opening = openEmulator(config, logger);
  const emulator = await opening;

  const url = await emulator.listen();
  logger.info(
    {
      url,
      ...(config.httpsPort !== undefined && { httpsPort: emulator.httpsPort() }),
      data: config.dataDir ?? 'in memory',
      firstKey: emulator.firstKey ?? null,
      version: packageVersion(),
    },
    `ready at ${url}`,
  );
}
