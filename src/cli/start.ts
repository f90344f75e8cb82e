import { systemClock } from '../core/time/clock.ts';
import { packageVersion } from '../paths.ts';
import { openEmulator } from '../server/emulator.ts';
import { createLogger } from '../server/logger.ts';
import type { Config } from '../settings/config.ts';

/** Ctrl-C sends its signal once from the terminal, which reaches all processes, and once from npm, which forwards it. */
const REPEATED_SIGNAL_MS = 1000;

/**
 * Starts an emulator that runs until SIGTERM or SIGINT. Resolves when it is ready.
 *
 * @throws SetupError when it cannot start
 */
export async function start(config: Config, warnings: readonly string[]) {
  const { logger, flush } = await createLogger(config);
  // Registered before anything is opened: PID 1 of a container ignores signals that it has no handler for.
  const stop = (signal: NodeJS.Signals) => {
    // A later signal exits at once.
    process.on(signal, () => {});
    systemClock.after(REPEATED_SIGNAL_MS, () => process.once(signal, () => process.exit(1)));
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
  // A program that asked for any free port has to learn which one it is, even if it wants few lines.
  const isPortUnknown = config.port === 0 || config.httpsPort === 0;
  const level = isPortUnknown && !logger.isLevelEnabled('info') ? config.logLevel : 'info';
  const ready = {
    url,
    ...(config.httpsPort !== undefined && { httpsPort: emulator.httpsPort()! }),
    data: config.dataDir ?? 'in memory',
    firstKey: emulator.firstKey ?? null,
    version: packageVersion(),
  };
  logger[level](ready, `ready at ${url}`);
  // After the ready line, which test harnesses expect first.
  for (const warning of warnings) logger.warn(warning);
  return ready;
}
