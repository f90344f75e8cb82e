import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startEmulator } from '../../src/index.ts';
import { verifyServer } from '../support/verify.ts';

const KEY = 'np_test_default';

/** An emulator as the real service is: a key, a price, and no control plane. */
async function startService(options: { rateLimit?: number | null } = {}) {
  const emulator = await startEmulator({ speed: 1_000_000, rateLimit: null, ...options });
  onTestFinished(() => emulator.close());
  const server = createServer((incoming, response) => forward(incoming, response, emulator.port));
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
  const outgoing = request({ host: '127.0.0.1', port, method, path: url, headers }, (upstream) => {
    response.writeHead(upstream.statusCode!, upstream.headers);
    upstream.pipe(response);
  });
  outgoing.on('error', () => response.destroy());
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

describe('a server without a control plane', () => {
  it('is charged nothing where nothing may be spent, and what is documented to be refused is looked at', async () => {
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
          /^(could cost \d+, and 0 may be spent|needs |would use up|what it costs|a failure|\w+ cannot be provoked)/,
        );
  });

  it.each([1, 9, 40])('is charged no more than the %i credits that may be spent', async (spend) => {
    const service = await startService();
    const { outcomes, spent } = await verifyServer(service.url, { key: KEY, spend });
    expect(spent).toBe(1000 - (await getCredits(service)));
    expect(spent).toBeGreaterThan(0);
    expect(spent).toBeLessThanOrEqual(spend);
    expect(outcomes.filter(({ result }) => result === 'differs')).toEqual([]);
  });

  it('is not asked for more when its limit is used up', async () => {
    const service = await startService({ rateLimit: 20 });
    const { outcomes, exchanges } = await verifyServer(service.url, { key: KEY, spend: 0 });
    expect(exchanges.filter(({ response }) => response.status === 429)).toHaveLength(1);
    expect(outcomes.at(-1)).toMatchObject({ result: 'not checked' });
    expect(new Set(outcomes.map(({ why }) => why))).toContain(
      'the rate limit of the key is used up; try again in an hour',
    );
  });

  it.each([
    ['answers without end', (response: ServerResponse) => void sendEndlessly(response), 'an answer that ends', 'xxx'],
    ['hangs up', (response: ServerResponse) => void response.destroy(), 'an answer', 'none: UND_ERR_SOCKET'],
  ])('that %s differs, and is asked on', async (_what, misbehave, expected, actual) => {
    const server = createServer((incoming, response) => void incoming.resume().on('end', () => misbehave(response)));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => void server.close().closeAllConnections());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { outcomes } = await verifyServer(url, { spend: 0, only: /without-key$/ });
    expect(outcomes.length).toBeGreaterThan(10);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ result: 'differs', expected: expect.stringContaining(expected) });
      expect(outcome.actual).toContain(actual);
    }
  });

  it('is asked nothing with a key where there is none', async () => {
    const service = await startService();
    const { outcomes, exchanges } = await verifyServer(service.url, { spend: 0 });
    expect(new Set(exchanges.map(({ response }) => response.status))).toEqual(new Set([401]));
    expect(outcomes.filter(({ result }) => result === 'holds').length).toBe(exchanges.length);
  });
});
