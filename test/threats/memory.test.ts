import { describe, expect, it, onTestFinished } from 'vitest';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';

const KEY = 'np_test_default';
const MIB = 1024 * 1024;
/** Node.js was built for glibc. */
const IS_GLIBC = 'glibcVersionRuntime' in (process.report.getReport() as unknown as { header: object }).header;

const send = (server: ServerProcess, path: string, body: object) =>
  fetch(server.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

/** Submits `count` tasks with a prompt of 95 kB. */
async function submitMany(server: ServerProcess, count: number): Promise<void> {
  await send(server, `/__admin/accounts/${KEY}/credits`, { amount: 1_000_000 });
  for (let n = 0; n < count; n += 10) {
    const prompt = 'x'.repeat(95_000);
    const batch = Array.from({ length: 10 }, () =>
      send(server, '/api/sora-2/generate', { prompt, mode: 'textToVideo' }),
    );
    for (const response of await Promise.all(batch)) expect(response.status).toBe(200);
  }
}

const measureResidentMib = async (server: ServerProcess) => (await server.measure()).memory.rss / MIB;

describe.runIf(process.platform === 'linux')('resident memory', () => {
  // id: storage-memory-bounded
  it('stays bounded when a client submits tasks without end, and is returned by a reset', async () => {
    const server = await startServerProcess([
      ...['--rate-limit', 'off', '--speed', '1000000', '--journal-entries', '0', '--memory-budget-mb', '64'],
    ]);
    onTestFinished(() => server.stop());
    await submitMany(server, 20);
    const startMib = await measureResidentMib(server);
    await submitMany(server, 1500);
    const fullMib = await measureResidentMib(server);
    // Without a limit, these tasks take 140 MiB.
    expect(fullMib - startMib).toBeLessThan(110);
    await send(server, '/__admin/reset', {});
    const emptyMib = await measureResidentMib(server);
    if (IS_GLIBC) expect(fullMib - emptyMib).toBeGreaterThan(40);
    await submitMany(server, 300);
    expect(await measureResidentMib(server)).toBeLessThan(fullMib + 20);
  });
});
