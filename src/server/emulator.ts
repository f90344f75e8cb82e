import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import type { Logger } from 'pino';
import { openCore } from '../core/core.ts';
import { SetupError } from '../core/errors.ts';
import { type Clock, systemClock } from '../core/time/clock.ts';
import { FIXTURES_DIR, MIGRATIONS_DIR, packageVersion } from '../paths.ts';
import { type Authority, openAuthority } from '../proxy/certificate-authority.ts';
import { createConnectProxy } from '../proxy/connect-proxy.ts';
import type { Config } from '../settings/config.ts';
import { buildApp } from './app.ts';
import { limitConnections } from './connection-limit.ts';
import { LOOPBACK_ADDRESSES, listenOnSecondAddress } from './dual-stack-listener.ts';
import { ignoreUpgrades, rawErrorResponse } from './node-http.ts';
import { afterDetachedResponses } from './pipelining.ts';
import { readSeedFile } from './seed-file.ts';
import { createSocketGuard } from './socket-guard.ts';

/** Time that open streams and requests have to end, when the emulator stops, before their connections are closed. */
const GRACE_MS = 1500;

/** Errors of machines that lack the address or the whole address family, such as IPv6. */
const ADDRESS_UNAVAILABLE_CODES = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'];

/** Smaller corrections of the system clock are normal and not worth a warning. */
const CLOCK_SKEW_WARNING_MS = 1000;

export type RunningEmulator = Awaited<ReturnType<typeof openEmulator>>;

/** Assembles core, seed file and HTTP side, without listening. @throws SetupError when a setting or file is invalid */
export async function openEmulator(config: Config, logger: Logger, clock: Clock = systemClock) {
  const seed = readSeedFile(config.seedFile, config);
  const core = openCore({ ...config, migrationsDir: MIGRATIONS_DIR, clock });
  if (core.behindMs >= CLOCK_SKEW_WARNING_MS) {
    const { behindMs } = core;
    logger.warn({ behindMs }, 'the system clock is behind the stored data; time continues from the last recorded time');
  }
  let opening: Promise<Authority> | undefined;
  const authority = () => {
    opening ??= openAuthority(config.dataDir).catch((error) => {
      // The user can fix the file without restarting.
      opening = undefined;
      throw error;
    });
    return opening;
  };
  const guard = createSocketGuard((error) => logger.error({ err: error }, 'a listener of a connection failed'));
  const app = await buildApp(
    core,
    {
      ...config,
      priceOverrides: seed.priceOverrides,
      newAccountProfile: seed.newAccount,
      seedAccounts: seed.accounts,
      fixturesDir: FIXTURES_DIR,
      version: packageVersion(),
    },
    logger,
    authority,
    guard,
  );
  core.accounts.createMissing(seed.accounts);

  const connections = limitConnections({
    server: app.server,
    max: config.connectionLimit,
    clock,
    guard,
    refusal: rawErrorResponse('TOO_MANY_CONNECTIONS'),
  });
  ignoreUpgrades(app.server, connections.serve);
  const connectProxy = createConnectProxy({
    server: app.server,
    connections: { ...connections, protect: guard.protect, afterResponses: afterDetachedResponses },
    authority,
    clock,
    refusalResponse: rawErrorResponse('PROXY_REFUSED'),
    failureResponse: rawErrorResponse('AUTHORITY_FAILED'),
    onRefused: (target) => logger.warn({ method: 'CONNECT', path: target, status: 403 }, 'refused'),
    onError: (error) => logger.error({ err: error }, 'TLS setup of a connection failed'),
  });
  const secure = config.httpsPort === undefined ? undefined : connectProxy.secureServer();
  const [host, secondHost] = config.host === 'localhost' ? LOOPBACK_ADDRESSES : [config.host];
  /** Servers besides the main one. */
  const extraServers: Server[] = secure ? [secure] : [];

  if (Object.keys(seed.priceOverrides).length > 0) {
    logger.info({ prices: seed.priceOverrides }, 'the seed file overrides prices');
  }

  /** Listens on a second address, and only logs a failure: most programs find the emulator at the first address. */
  async function tryListenOnSecondAddress(address: string): Promise<void> {
    try {
      extraServers.push(await listenOnSecondAddress(app.server, address));
    } catch (error) {
      if (!ADDRESS_UNAVAILABLE_CODES.includes((error as { code?: string }).code ?? '')) {
        logger.warn({ err: error }, `cannot listen on ${address} as well`);
      }
    }
  }

  return {
    core,
    app,
    authority,
    firstKey: seed.accounts[0]?.key,
    /** Applies due transitions, then listens. Returns the URL. @throws SetupError when the address is not available */
    async listen(): Promise<string> {
      core.worker.start((error) => logger.error({ err: error }, 'the worker could not apply due transitions'));
      if (secure) await listenOn(secure, { ...config, port: config.httpsPort! });
      let url: string;
      try {
        url = await app.listen({ port: config.port, host });
      } catch (error) {
        throw toListenError(error, config);
      }
      if (secondHost !== undefined) await tryListenOnSecondAddress(secondHost);
      return url;
    },
    /** Returns the port for HTTPS; undefined without one. */
    httpsPort: () => (secure?.address() as AddressInfo | null)?.port,
    /** Stops gracefully: ends and refunds open streams, completes other responses and stores all counters. */
    async close(): Promise<void> {
      connectProxy.close();
      connections.close();
      const closed = extraServers
        .filter(({ listening }) => listening)
        .map((server) => new Promise((resolve) => server.close(resolve)));
      const cancelForcedClose = clock.after(GRACE_MS, () => app.server.closeAllConnections());
      await Promise.all([app.close(), ...closed]);
      cancelForcedClose();
      core.close();
    },
  };
}

async function listenOn(server: Server, address: Pick<Config, 'port' | 'host'>): Promise<void> {
  server.listen(address.port, address.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw toListenError(error, address);
  }
}

function toListenError(error: unknown, { port, host }: Pick<Config, 'port' | 'host'>): Error {
  const advice: Record<string, string> = {
    EADDRINUSE:
      `Port ${port} on ${host} is in use; ` +
      'stop the other program or choose another with --port (0 picks a free one).',
    EACCES: `Port ${port} needs more privileges; choose one from 1024 up with --port.`,
    EADDRNOTAVAIL: `This machine has no address ${host}; choose another with --host.`,
    ENOTFOUND: `The name ${host} has no address; choose another with --host.`,
    EAI_AGAIN: `The name ${host} has no address; choose another with --host.`,
  };
  const sentence = advice[(error as { code?: string }).code ?? ''];
  return sentence ? new SetupError(sentence, { cause: error }) : (error as Error);
}
