import { randomBytes } from 'node:crypto';
import { systemClock } from '../core/time/clock.ts';
import { packageVersion } from '../paths.ts';
import { type EmulatorOptions, openEmulator } from '../server/emulator.ts';
import { createLogger } from '../server/logger.ts';
import type { Config } from '../settings/config.ts';

/**
 * How long a repeated signal is ignored. Under npm, one Ctrl-C arrives twice: the terminal sends the signal to all
 * processes, and npm forwards it.
 */
const REPEATED_SIGNAL_MS = 1000;

/** Values of `--host` with which only this machine can connect. */
const LOCAL_HOST = /^(?:localhost$|127\.|::1$)/i;

/**
 * Starts an emulator that runs until SIGTERM or SIGINT. When it is ready, resolves with the facts that it has logged.
 *
 * @throws SetupError when it cannot start
 */
export async function start(config: EmulatorOptions, warnings: readonly string[]) {
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
  const remoteToken = createRemoteToken(config);
  const opening = openEmulator({ ...config, remoteToken }, logger);
  const emulator = await opening;

  const url = await emulator.listen();
  // Nothing else contains the token, or the port if any free one was requested, so a higher log level still logs them.
  const isNeeded = remoteToken !== undefined || config.port === 0 || config.httpsPort === 0;
  const level = isNeeded && !logger.isLevelEnabled('info') ? config.logLevel : 'info';
  const ready = {
    url,
    ...(config.httpsPort !== undefined && { httpsPort: emulator.httpsPort()! }),
    data: config.filesToOpen ? `read-only: ${config.filesToOpen.path}` : (config.dataDir ?? 'in memory'),
    firstKey: emulator.firstKey ?? null,
    ...(remoteToken !== undefined && { adminToken: remoteToken }),
    version: packageVersion(),
  };
  logger[level](ready, `ready at ${url}`);
  // After the ready line, which test harnesses expect first.
  for (const warning of warnings) logger.warn(warning);
  return { ...ready, port: emulator.httpPort() };
}

/** Creates an admin token if other machines can connect but the settings give them no access to the control plane. */
export function createRemoteToken({ host, adminToken, adminRemote }: Config): string | undefined {
  if (adminToken !== undefined || adminRemote || LOCAL_HOST.test(host)) return undefined;
  return randomBytes(16).toString('hex');
}
