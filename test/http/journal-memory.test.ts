import { Agent, request } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const CHECK = '/api/sora-2/check-status';
const MB = 1024 * 1024;

interface Call {
  path?: string;
  headers?: Record<string, string>;
  body?: object;
}

/** Requests that make the journal keep a lot. The number is part of each text, so that entries share none of them. */
const CALLS: [title: string, count: number, build: (n: number) => Call][] = [
  ['polls', 500, () => ({})],
  [
    'many headers',
    100,
    (n) => ({ headers: Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`h${index}`, `${n}`])) }),
  ],
  ['ids', 500, (n) => ({ headers: { 'x-request-id': `${'x'.repeat(120)}${n}` } })],
  ['large headers', 300, (n) => ({ headers: { a: `${n}${'x'.repeat(15_000)}` } })],
  ['a long path', 300, (n) => ({ path: `/api/${'x'.repeat(7000)}${n}` })],
  ['a long query', 300, (n) => ({ path: `${CHECK}?q=${'x'.repeat(7000)}${n}` })],
  [
    'many unknown fields',
    5,
    (n) => ({ body: Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`field${index}_${n}`, 0])) }),
  ],
  ['unknown fields with long names', 100, (n) => ({ body: { ['x'.repeat(100_000) + n]: 0 } })],
  ['a long body', 100, (n) => ({ body: { taskId: 'x'.repeat(100_000) + n } })],
  ['a body in two bytes per character', 200, (n) => ({ body: { taskId: `${'x'.repeat(15_000)}\u{1f600}${n}` } })],
  ['invalid directives', 10, (n) => ({ body: { taskId: `@emulator(no)${n}`.repeat(10_000) } })],
  ['a long invalid directive', 10, (n) => ({ body: { taskId: `@emulator(${'x'.repeat(500_000)}${n})` } })],
];

async function createClient() {
  const { app, core, createAccount } = await createTestEmulator();
  createAccount('np_client', { rateLimit: null });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as { port: number };
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = ({ path = CHECK, headers = {}, body = {} }: Call): Promise<void> =>
    new Promise((resolve, reject) => {
      request(
        {
          ...{ port, path, agent, method: 'POST' },
          headers: { authorization: 'Bearer np_client', 'content-type': 'application/json', ...headers },
        },
        (response) => response.resume().on('end', resolve),
      )
        .on('error', reject)
        .end(JSON.stringify({ taskId: 'x', ...body }));
    });
  const measure = (): number => {
    // V8 keeps the names of fields for some collections after the last object that has them.
    for (let n = 0; n < 3; n++) collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  return { core, send, measure, close: () => agent.destroy() };
}

describe('memory of the journal', () => {
  // id: journal-counts-all-memory
  it.each(CALLS)('is counted for %s', async (_title, count, build) => {
    const { core, send, measure, close } = await createClient();
    for (let n = 0; n < 3; n++) await send(build(-n));
    const [bytesBefore, countedBefore] = [measure(), core.memory.usedBytes.journal];
    for (let n = 0; n < count; n++) await send(build(n));
    const [bytes, counted] = [measure() - bytesBefore, core.memory.usedBytes.journal - countedBefore];
    close();
    expect(bytes).toBeLessThan(1.2 * counted + MB);
    expect(counted).toBeLessThan(8 * MB);
  });
});
