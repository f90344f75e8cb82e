import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startEmulator } from '../../src/index.ts';
import { lookAt } from '../support/verify.ts';

const KEY = 'np_test_default';

/** An emulator as the real service is: a key, a price, and no control plane. */
async function service(options: { rateLimit?: number | null } = {}) {
  const emulator = await startEmulator({ speed: 1_000_000, rateLimit: null, ...options });
  onTestFinished(() => emulator.close());
  const server = createServer((asked, answer) => pass(asked, answer, emulator.port));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return { emulator, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function pass(asked: IncomingMessage, answer: ServerResponse, port: number): void {
  const { method, url = '/', headers } = asked;
  if (url.startsWith('/__admin')) {
    answer.writeHead(404).end('nothing here');
    return;
  }
  const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (got) => {
    answer.writeHead(got.statusCode!, got.headers);
    got.pipe(answer);
  });
  onward.on('error', () => answer.destroy());
  asked.pipe(onward);
}

function endless(answer: ServerResponse): void {
  answer.writeHead(200, { 'content-type': 'application/json' });
  const more = () => {
    while (!answer.destroyed && answer.write('x'.repeat(65_536)));
    answer.once('drain', more);
  };
  more();
}

const credits = async ({ emulator }: Awaited<ReturnType<typeof service>>) =>
  (await emulator.account(KEY).get()).credits;

describe('a server without a control plane', () => {
  it('is charged nothing where nothing may be spent, and what is documented to be refused is looked at', async () => {
    const real = await service();
    const { outcomes, exchanges, spent } = await lookAt(real.url, { key: KEY, spend: 0 });
    expect(await credits(real)).toBe(1000);
    expect(spent).toBe(0);
    expect(exchanges.filter(({ answer }) => answer.status === 200)).toEqual([]);
    expect(outcomes.filter(({ result }) => result === 'differs')).toEqual([]);
    const held = outcomes.filter(({ result }) => result === 'holds');
    expect(held.filter(({ mark }) => mark === 'D').length).toBeGreaterThan(60);
    for (const { result, why } of outcomes)
      if (result === 'not checked')
        expect(why).toMatch(
          /^(could cost \d+, and 0 may be spent|needs |would use up|what it costs|a failure|\w+ cannot be provoked)/,
        );
  });

  it.each([1, 9, 40])('is charged no more than the %i credits that may be spent', async (spend) => {
    const real = await service();
    const { outcomes, spent } = await lookAt(real.url, { key: KEY, spend });
    expect(spent).toBe(1000 - (await credits(real)));
    expect(spent).toBeGreaterThan(0);
    expect(spent).toBeLessThanOrEqual(spend);
    expect(outcomes.filter(({ result }) => result === 'differs')).toEqual([]);
  });

  it('is not asked for more when its limit is used up', async () => {
    const real = await service({ rateLimit: 20 });
    const { outcomes, exchanges } = await lookAt(real.url, { key: KEY, spend: 0 });
    expect(exchanges.filter(({ answer }) => answer.status === 429)).toHaveLength(1);
    expect(outcomes.at(-1)).toMatchObject({ result: 'not checked' });
    expect(new Set(outcomes.map(({ why }) => why))).toContain(
      'the rate limit of the key is used up; try again in an hour',
    );
  });

  it.each([
    ['answers without end', (answer: ServerResponse) => void endless(answer), 'an answer that ends', 'xxx'],
    ['hangs up', (answer: ServerResponse) => void answer.destroy(), 'an answer', 'none: UND_ERR_SOCKET'],
  ])('that %s differs, and is asked on', async (_what, misbehave, expected, actual) => {
    const server = createServer((asked, answer) => void asked.resume().on('end', () => misbehave(answer)));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => void server.close().closeAllConnections());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { outcomes } = await lookAt(url, { spend: 0, only: /without-key$/ });
    expect(outcomes.length).toBeGreaterThan(10);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ result: 'differs', expected: expect.stringContaining(expected) });
      expect(outcome.actual).toContain(actual);
    }
  });

  it('is asked nothing with a key where there is none', async () => {
    const real = await service();
    const { outcomes, exchanges } = await lookAt(real.url, { spend: 0 });
    expect(new Set(exchanges.map(({ answer }) => answer.status))).toEqual(new Set([401]));
    expect(outcomes.filter(({ result }) => result === 'holds').length).toBe(exchanges.length);
  });
});
