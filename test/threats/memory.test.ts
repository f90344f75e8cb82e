import { describe, expect, it, onTestFinished } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
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
      ...['--rate-limit', 'off', '--speed', '1000000', '--journal-entries', '0', '--memory-budget-mb', '48'],
    ]);
    onTestFinished(() => server.stop());
    await submitMany(server, 20);
    const startMib = await measureResidentMib(server);
    await submitMany(server, 1000);
    const fullMib = await measureResidentMib(server);
    // Without a limit, these tasks take 125 MiB.
    expect(fullMib - startMib).toBeLessThan(90);
    await send(server, '/__admin/reset', {});
    const emptyMib = await measureResidentMib(server);
    if (IS_GLIBC) expect(fullMib - emptyMib).toBeGreaterThan(20);
    await submitMany(server, 300);
    expect(await measureResidentMib(server)).toBeLessThan(fullMib + 20);
  });
});

describe('stored data', () => {
  const FLAGS = ['--memory-budget-mb', '16', '--rate-limit', 'off', '--journal-entries', '0'];
  const REQUEST = { prompt: 'x'.repeat(90_000), mode: 'textToVideo' };

  // id: evicted-tasks-not-found
  it('of an evicted task is not found, neither by polls nor by its result URL, and its ledger is valid', async () => {
    const { post, send, get, clock, core, account } = await createTestEmulator(FLAGS);
    const { taskId } = (await post('/api/sora-2/generate', REQUEST)).body;
    clock.advance(600_000);
    const { videoUrl } = (await post('/api/sora-2/check-status', { taskId })).body;
    const { pathname } = new URL(videoUrl);
    expect((await send('HEAD', pathname, { key: null })).status).toBe(200);
    for (let n = 0; n < 230; n += 1) {
      expect((await post('/api/sora-2/generate', REQUEST)).status).toBe(200);
      clock.advance(600_000);
      core.worker.tick();
    }
    expect((await post('/api/sora-2/check-status', { taskId })).body.errorCode).toBe('TASK_NOT_FOUND');
    expect((await send('HEAD', pathname, { key: null })).status).toBe(404);
    expect((await get('/__admin/accounts/np_test_default/ledger/verify')).body).toEqual({ ok: true, problems: [] });
    expect(account('np_test_default').balance).toBe(1000 - 231 * 4);
    expect((await get('/metrics')).text).toMatch(/nanophoto_memory_bytes{use="storage"} [78]\d{6}\n/);
  });

  // id: storage-refused-in-each-format
  it('that does not fit is refused with 503 in the format of the API and of the control plane', async () => {
    const { post, send, account } = await createTestEmulator(FLAGS);
    let response = await post('/api/sora-2/generate', REQUEST);
    let accepted = 0;
    for (; response.status === 200; accepted += 1) response = await post('/api/sora-2/generate', REQUEST);
    expect(response).toMatchObject({
      status: 503,
      body: { success: false, errorCode: 'SERVICE_UNAVAILABLE', error: expect.stringContaining('--memory-budget-mb') },
    });
    expect(account('np_test_default').balance).toBe(1000 - accepted * 4);
    const path = '/__admin/accounts/np_test_default';
    const contains = 'x'.repeat(1000);
    const rule = { match: { contains }, at: 'task', effect: { fail: true } };
    const refusal = { status: 503, body: { code: 'OUT_OF_MEMORY' } };
    expect(await send('POST', `${path}/snapshots`, { body: { name: 'one' } })).toMatchObject(refusal);
    expect(await send('POST', `${path}/fork`, { body: { to: 'other' } })).toMatchObject(refusal);
    let rules = 0;
    while ((await send('POST', `${path}/faults`, { body: rule })).status === 201) rules += 1;
    expect(rules).toBeLessThan(100);
    // Reading and resetting still work, and a reset frees the memory.
    expect((await send('POST', `${path}/reset`, { body: {} })).status).toBe(200);
    expect((await post('/api/sora-2/generate', REQUEST)).status).toBe(200);
  });
});
