import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startEmulator } from '../../src/index.ts';
import { loadContract, verifyServer as verify } from '../support/verify.ts';

const KEY = 'np_test_default';

/** Checks a server, except with the case that sends 40 MB for an error. contract.test.ts runs it. */
const verifyServer: typeof verify = (url, { only = () => true, ...options } = {}) =>
  verify(url, { ...options, only: (id) => id !== 'sora-2/reverse-prompt/too-large' && only(id) });

/** Starts an emulator behind a proxy without a control plane, like the real service. */
async function startService(options: { rateLimit?: number | null } = {}) {
  const emulator = await startEmulator({ speed: 1_000_000, rateLimit: null, ...options });
  onTestFinished(() => emulator.close());
  // No idle connection ends: on a busy machine, it could end while the next request is being sent.
  const server = createServer({ keepAliveTimeout: 0 }, (incoming, response) => {
    forward(incoming, response, emulator.port);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return { emulator, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function forward(incoming: IncomingMessage, response: ServerResponse, port: number): void {
  const { method, url = '/', headers } = incoming;
  if (url.startsWith('/__admin')) {
    response.writeHead(404).end('nothing here');
    return;
  }
  const outgoing = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (upstream) => {
    response.writeHead(upstream.statusCode!, upstream.headers);
    upstream.pipe(response);
  });
  outgoing.on('error', () => void response.destroy());
  incoming.pipe(outgoing);
}

function sendEndlessly(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const writeMore = () => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
    response.once('drain', writeMore);
  };
  writeMore();
}

const getCredits = async ({ emulator }: Awaited<ReturnType<typeof startService>>) =>
  (await emulator.account(KEY).get()).credits;

describe('verify without a control plane', () => {
  it('spends nothing without --spend, and checks the requests that are documented to be rejected', async () => {
    const service = await startService();
    const { outcomes, exchanges, spent } = await verifyServer(service.url, { key: KEY, spend: 0 });
    expect(await getCredits(service)).toBe(1000);
    expect(spent).toBe(0);
    expect(exchanges.filter(({ response }) => response.status === 200)).toEqual([]);
    expect(outcomes.filter(({ result }) => result === 'differs')).toEqual([]);
    const passed = outcomes.filter(({ result }) => result === 'holds');
    expect(passed.filter(({ provenance }) => provenance === 'documented').length).toBeGreaterThan(60);
    for (const { result, why } of outcomes)
      if (result === 'not checked')
        expect(why).toMatch(
          /^(could cost \d+ credits, but --spend leaves 0|needs |would exhaust|its price|\w+ cannot be provoked)/,
        );
  });

  it.each([1, 40])('spends at most the %i credits of --spend', async (spend) => {
    const service = await startService();
    // The test above runs the cases that never spend anything.
    const free = new Set(loadContract().cases.flatMap(({ id, isFree }) => (isFree ? id : [])));
    const only = (id: string) => !free.has(id);
    const { outcomes, spent } = await verifyServer(service.url, { key: KEY, spend, only });
    expect(spent).toBe(1000 - (await getCredits(service)));
    expect(spent).toBeGreaterThan(0);
    expect(spent).toBeLessThanOrEqual(spend);
    expect(outcomes.filter(({ result }) => result === 'differs')).toEqual([]);
  });

  it('stops when the rate limit of the key is exhausted', async () => {
    const service = await startService({ rateLimit: 20 });
    const { outcomes, exchanges } = await verifyServer(service.url, { key: KEY, spend: 0 });
    expect(exchanges.filter(({ response }) => response.status === 429)).toHaveLength(1);
    expect(outcomes.at(-1)).toMatchObject({ result: 'not checked' });
    expect(new Set(outcomes.map(({ why }) => why))).toContain(
      'the rate limit of the key is exhausted; try again in an hour',
    );
  });

  it.each([
    ['sends an endless response', (response: ServerResponse) => void sendEndlessly(response), 'a response of', 'xxx'],
    [
      'closes the connection',
      (response: ServerResponse) => void response.destroy(),
      'a response',
      'none: UND_ERR_SOCKET',
    ],
  ])('reports a mismatch when the server %s, and continues', async (_title, misbehave, expected, actual) => {
    const server = createServer((incoming, response) => void incoming.resume().on('end', () => misbehave(response)));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => void server.close().closeAllConnections());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { outcomes } = await verifyServer(url, { spend: 0, only: (id) => id.endsWith('without-key') });
    expect(outcomes.length).toBeGreaterThan(10);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ result: 'differs', expected: expect.stringContaining(expected) });
      expect(outcome.actual).toContain(actual);
    }
  });

  it('sends no request that needs a key when it has none', async () => {
    const service = await startService();
    const { outcomes, exchanges } = await verifyServer(service.url, { spend: 0 });
    expect(new Set(exchanges.map(({ response }) => response.status))).toEqual(new Set([401]));
    expect(outcomes.filter(({ result }) => result === 'holds').length).toBe(exchanges.length);
  });
});
