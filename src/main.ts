#!/usr/bin/env node
import { type Command, printConfig, printHelp, readCommand, useFontSettings } from './config.ts';
import { SetupError } from './core/errors.ts';
import { openEmulator } from './emulator.ts';
import { createLogger } from './logger.ts';
import { FONT_SETTINGS, packageVersion } from './paths.ts';
import { readSeed } from './seed.ts';

try {
  await run(readCommand());
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`nanophoto-emulator: ${error.message}\n`);
  process.exit(2);
}

async function run({ name, config, warnings }: Command): Promise<void> {
  switch (name) {
    case 'help':
      return print(printHelp());
    case 'version':
      return print(packageVersion());
    case 'config':
      // A seed file that makes no sense is refused here as it would be at a start.
      return print(printConfig(config, readSeed(config.seedFile, config).priceChanges));
    case 'start':
      return start(config, warnings);
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function start(config: Command['config'], warnings: string[]): Promise<void> {
  useFontSettings(FONT_SETTINGS);
  const { logger, flush } = await createLogger(config);
  for (const warning of warnings) logger.warn(warning);
  const emulator = await openEmulator(config, logger);
  const stop = (signal: NodeJS.Signals) => {
    // A second signal means now.
    process.once(signal, () => process.exit(1));
    logger.info({ signal }, 'stopping');
    void emulator
      .close()
      .then(flush)
      .then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);

  const url = await emulator.listen();
  logger.info(
    {
      url,
      data: config.dataDir ?? 'in memory',
      firstKey: emulator.firstKey ?? null,
      version: packageVersion(),
    },
    `ready at ${url}`,
  );
}
