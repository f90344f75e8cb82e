import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import type { Logger } from 'pino';
import { DocumentError } from '../control-plane/state/document-schema.ts';
import { createSeedStates } from '../control-plane/state/seed-states.ts';
import { type Core, openCore } from '../core/core.ts';
import { EmulatorError, SetupError } from '../core/errors.ts';
import { countFreeDescriptors, lazy } from '../core/file-descriptors.ts';
import { type Clock, createMonotonicClock, stopClock } from '../core/time/clock.ts';
import { FAMILIES } from '../families/index.ts';
import type { HttpSettings } from '../http/context.ts';
import { parseBearerKey } from '../http/pipeline/auth.ts';
import { maskKeys } from '../http/redaction.ts';
import { FIXTURES_DIR, MIGRATIONS_DIR, packageVersion } from '../paths.ts';
import { openAuthority } from '../proxy/certificate-authority.ts';
import { createConnectProxy } from '../proxy/connect-proxy.ts';
import { type Config, toLocalUrl } from '../settings/config.ts';
import { buildApp } from './app.ts';
import { fitToDescriptors, limitConnections } from './connection-limit.ts';
import { LISTEN_BACKLOG, LOOPBACK_ADDRESSES, listenOnSecondAddress } from './dual-stack-listener.ts';
import { lingerAndClose } from './lingering-close.ts';
import { ignoreUpgrades, rawErrorResponse } from './node-http.ts';
import { type FilesToOpen, openFiles } from './opened-files.ts';
import { afterDetachedResponses } from './pipelining.ts';
import { getRequestId } from './request-id.ts';
import { type ExtraState, formatInvalid, readSeedFile, type Seed } from './seed-file.ts';
import { createSocketGuard } from './socket-guard.ts';

/** Time that open streams and requests have to end, when the emulator stops, before their connections are closed. */
const GRACE_MS = 1500;

/** Errors of machines that lack the address or the whole address family, such as IPv6. */
const ADDRESS_UNAVAILABLE_CODES = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'];

const ACCEPT_ERROR_LOG_INTERVAL_MS = 1000;

/** Smaller corrections of the system clock are normal and not worth a warning. */
const CLOCK_SKEW_WARNING_MS = 1000;

export type RunningEmulator = Awaited<ReturnType<typeof openEmulator>>;

export interface EmulatorOptions extends Config, Pick<HttpSettings, 'remoteToken'> {
  /** Documents of exports, whose accounts precede those of the seed file. */
  states?: readonly ExtraState[];
  /** When given, the emulator is read-only and has the accounts of these files alone. */
  filesToOpen?: FilesToOpen;
}

/** Assembles core, seed file and HTTP side, without listening. @throws SetupError when a setting or file is invalid */
export async function openEmulator(config: EmulatorOptions, logger: Logger, clock: Clock = createMonotonicClock()) {
  const seed = readSeedFile(config.seedFile, config, config.states);
  const coreClock = config.filesToOpen ? stopClock(clock) : clock;
  const core = openCore({ ...config, migrationsDir: MIGRATIONS_DIR, clock: coreClock });
  try {
    return await assembleEmulator(core, seed, config, logger, clock);
  } catch (error) {
    // Otherwise this process could not open the data directory again.
    core.close();
    throw error;
  }
}

async function assembleEmulator(core: Core, seed: Seed, config: EmulatorOptions, logger: Logger, clock: Clock) {
  if (core.behindMs >= CLOCK_SKEW_WARNING_MS) {
    const { behindMs } = core;
    logger.warn({ behindMs }, 'the system clock is behind the stored data; time continues from the last recorded time');
  }
  const opened = config.filesToOpen && openFiles(core, config.filesToOpen);
  // After a failure the user can fix the file without restarting.
  const authority = lazy(() => openAuthority(config.dataDir));
  const guard = createSocketGuard((error) =>
    logger.error({ err: error }, 'an event handler of a connection failed, and the connection was closed'),
  );
  const app = await buildApp(
    core,
    {
      ...config,
      priceOverrides: seed.priceOverrides,
      newAccountProfile: seed.newAccount,
      seedAccounts: seed.accounts,
      seedStates: seed.states.map(({ document }) => document),
      fixturesDir: FIXTURES_DIR,
      version: packageVersion(),
      opened,
    },
    logger,
    authority,
    guard,
  );
  try {
    if (!opened) {
      createStates(core, seed, config);
      core.accounts.createMissing(seed.accounts);
    }
  } catch (error) {
    await app.close();
    throw error;
  }

  const { connectionLimit } = config;
  const { max, maxPendingRefusals } = fitToDescriptors(connectionLimit, countFreeDescriptors());
  if (max < connectionLimit) {
    logger.warn(
      { connectionLimit, max },
      `the connection limit is lowered to ${max}, because the process may not open more files; raise ulimit -n`,
    );
  }
  const connections = limitConnections({
    server: app.server,
    max,
    maxPendingRefusals,
    clock,
    guard,
    createRefusal: () => rawErrorResponse('TOO_MANY_CONNECTIONS'),
  });
  ignoreUpgrades(app.server, connections.serve);
  const connectProxy = createConnectProxy({
    server: app.server,
    connections: {
      ...connections,
      protect: guard.protect,
      end: (socket, response) => lingerAndClose(socket, clock, response),
      afterResponses: afterDetachedResponses,
    },
    authority,
    clock,
    refuse(request) {
      const id = getRequestId(request);
      const requestId = maskKeys(id, [parseBearerKey(request.headers.authorization) ?? '']);
      logger.warn({ method: 'CONNECT', path: request.url, status: 403, requestId }, 'refused');
      return rawErrorResponse('PROXY_REFUSED', id);
    },
    createFailure: (request) => rawErrorResponse('AUTHORITY_FAILED', getRequestId(request)),
    onError: (error) => logger.error({ err: error }, 'TLS setup of a connection failed'),
  });
  const secure = config.httpsPort === undefined ? undefined : connectProxy.secureServer();
  const [host, secondHost] = config.host === 'localhost' ? LOOPBACK_ADDRESSES : [config.host];
  /** Servers besides the main one. */
  const extraServers: Server[] = secure ? [secure] : [];

  if (Object.keys(seed.priceOverrides).length > 0) {
    logger.info({ prices: seed.priceOverrides }, 'the seed file overrides prices');
  }

  /**
   * Keeps errors of `accept`, such as EMFILE, from ending the process. The listening socket stays open, and the
   * connection may be accepted later.
   */
  function surviveAcceptErrors(server: Server): void {
    let lastLoggedMs = Number.NEGATIVE_INFINITY;
    server.on('error', (error) => {
      const nowMs = clock.nowMs();
      if (!server.listening || nowMs - lastLoggedMs < ACCEPT_ERROR_LOG_INTERVAL_MS) return;
      lastLoggedMs = nowMs;
      logger.error({ err: error }, 'a connection could not be accepted');
    });
  }

  const getHttpPort = () => (app.server.address() as AddressInfo).port;

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
    firstKey: opened ? undefined : seed.firstKey,
    /** Applies due transitions, then listens. Returns the URL. @throws SetupError when the address is not available */
    async listen(): Promise<string> {
      core.worker.start((error) => logger.error({ err: error }, 'the worker could not apply due transitions'));
      if (secure) await listenOn(secure, { flag: '--https-port', port: config.httpsPort!, host: config.host });
      try {
        await app.listen({ port: config.port, host, backlog: LISTEN_BACKLOG });
      } catch (error) {
        throw toListenError(error, { flag: '--port', ...config });
      }
      if (secondHost !== undefined) await tryListenOnSecondAddress(secondHost);
      for (const server of [app.server, ...extraServers]) surviveAcceptErrors(server);
      return toLocalUrl({ host, port: getHttpPort() });
    },
    /** Returns the port for HTTP. */
    httpPort: getHttpPort,
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

/** @throws SetupError when a document contradicts itself */
function createStates(core: Core, { states }: Seed, { faultLimit }: Config): void {
  for (const { document, source } of states) {
    try {
      createSeedStates(core, FAMILIES, { seedStates: [document], faultLimit }, { isReset: false });
    } catch (error) {
      if (!(error instanceof DocumentError || error instanceof EmulatorError)) throw error;
      const [part, reason] = error instanceof DocumentError ? [error.path, error.reason] : ['', error.message];
      throw new SetupError(formatInvalid(source, part, reason), { cause: error });
    }
  }
}

interface ListenAddress extends Pick<Config, 'port' | 'host'> {
  /** The flag that sets the port. */
  flag: string;
}

async function listenOn(server: Server, address: ListenAddress): Promise<void> {
  server.listen(address.port, address.host, LISTEN_BACKLOG);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw toListenError(error, address);
  }
}

function toListenError(error: unknown, { flag, port, host }: ListenAddress): Error {
  const advice: Record<string, string> = {
    EADDRINUSE:
      `Port ${port} on ${host} is in use; ` +
      `stop the other program or choose another with ${flag} (0 picks a free one).`,
    EACCES: `Port ${port} needs more privileges or is reserved; choose another from 1024 up with ${flag}.`,
    EADDRNOTAVAIL: `This machine has no address ${host}; choose another with --host.`,
    ENOTFOUND: `The name ${host} has no address; choose another with --host.`,
    EAI_AGAIN: `The name ${host} has no address; choose another with --host.`,
  };
  const sentence = advice[(error as { code?: string }).code ?? ''];
  return sentence ? new SetupError(sentence, { cause: error }) : (error as Error);
}
