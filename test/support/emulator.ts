import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import type { Account, AccountProfile } from '../../src/core/accounts/accounts.ts';
import { type EmulatorOptions, openEmulator, type RunningEmulator } from '../../src/server/emulator.ts';
import { checkInjectedResponses } from './checked-inject.ts';
import { buildProfile } from './core.ts';
import { createTestClock, type TestClock } from './test-clock.ts';

const SILENT = pino({ level: 'silent' });

export interface TestResponse {
  status: number;
  headers: Record<string, unknown>;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read response bodies of every shape
  body: any;
}

/** Starts the whole product in memory on a test clock, with command-line `flags`; it is closed after the test. */
export async function createTestEmulator(...args: Parameters<typeof openTestEmulator>) {
  const emulator = await openTestEmulator(...args);
  onTestFinished(() => closeAtOnce(emulator));
  return emulator;
}

/**
 * Closes an emulator, and its connections when their responses have ended. fetch replaces an aborted connection with a
 * new one, and browsers open some in advance. Without a request, a server waits until the client closes them.
 */
export async function closeAtOnce({ app, close, openResponses }: ClosableEmulator): Promise<void> {
  let isClosed = false;
  const closed = close().finally(() => {
    isClosed = true;
  });
  while (openResponses.size > 0 && !isClosed) await nextTurn();
  app.server.closeAllConnections();
  await closed;
}

type ClosableEmulator = Pick<RunningEmulator, 'app' | 'close'> & { openResponses: ReadonlySet<ServerResponse> };

/** Returns the responses of a server that have not ended. */
function watchResponses({ app }: Pick<RunningEmulator, 'app'>): ReadonlySet<ServerResponse> {
  const responses = new Set<ServerResponse>();
  app.server.on('request', (_request, response: ServerResponse) => {
    responses.add(response);
    response.once('close', () => responses.delete(response));
  });
  return responses;
}

/** Starts an emulator in real time on a free port, in this process, for the running test. Resolves with its URL. */
export async function serveEmulator(flags: string[] = []): Promise<string> {
  const emulator = await openEmulator(readCommand(['--port', '0', ...flags], {}).config, SILENT);
  const openResponses = watchResponses(emulator);
  onTestFinished(() => closeAtOnce({ ...emulator, openResponses }));
  return emulator.listen();
}

let accountCount = 0;

/**
 * Starts an emulator once for all tests of the suite that calls it, because a start takes longer than most requests.
 * Each test must use accounts of its own.
 */
export function useTestEmulator() {
  let emulator: TestEmulator;
  beforeAll(async () => {
    emulator = await openTestEmulator();
  });
  afterAll(() => closeAtOnce(emulator));
  return {
    emulator: () => emulator,
    /** Creates an account, and returns its key. */
    createKey(credits: number): string {
      accountCount += 1;
      const key = `np_own_${accountCount}`;
      emulator.createAccount(key, { credits });
      return key;
    },
  };
}

/** Like `createTestEmulator`, but the caller closes the emulator. */
export async function openTestEmulator(
  flags: string[] = [],
  clock: TestClock = createTestClock(),
  logger = SILENT,
  options: Pick<EmulatorOptions, 'remoteToken' | 'filesToOpen'> = {},
) {
  const { config } = readCommand(flags, {});
  const emulator = await openEmulator({ ...config, ...options }, logger, clock);
  const { app, core } = emulator;
  checkInjectedResponses(app, core);

  async function send(
    method: string,
    path: string,
    { key = 'np_test_default', body, headers = {} }: { key?: string | null; body?: unknown; headers?: object } = {},
  ): Promise<TestResponse> {
    const response = await app.inject({
      method: method as 'POST',
      url: path,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const isJson = String(response.headers['content-type']).startsWith('application/json') && response.payload !== '';
    return {
      status: response.statusCode,
      headers: response.headers,
      text: response.payload,
      body: isJson ? response.json() : undefined,
    };
  }

  return {
    ...emulator,
    openResponses: watchResponses(emulator),
    core,
    clock,
    send,
    post: (path: string, body: unknown, key?: string | null) =>
      send('POST', path, { body, ...(key === undefined ? {} : { key }) }),
    get: (path: string) => send('GET', path, { key: null }),
    account: (key: string): Account => core.accounts.find(key)!,
    /** Creates an account with speed 1, so that simulated time equals the clock's time. */
    createAccount: (key: string, overrides: Partial<AccountProfile> = {}) =>
      core.accounts.create(key, 'control', buildProfile(overrides)),
  };
}

export type TestEmulator = Awaited<ReturnType<typeof createTestEmulator>>;

/** Like `createTestEmulator`, and also listens on a free port and returns the log lines from level info. */
export async function startLoggingEmulator(flags: string[] = []) {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) });
  const emulator = await createTestEmulator(['--port', '0', ...flags], createTestClock(), logger);
  const { port } = new URL(await emulator.listen());
  return { ...emulator, port, lines };
}
