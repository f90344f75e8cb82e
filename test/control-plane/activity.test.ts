import { describe, expect, it } from 'vitest';
import type { Activity } from '../../src/client/types.ts';
import { createTestEmulator } from '../support/emulator.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };
const START = '2026-01-15T12:00:00.000Z';
const SECOND = '2026-01-15T12:00:01.000Z';

async function createActiveEmulator(flags: string[] = []) {
  const emulator = await createTestEmulator(flags);
  const activity = async (): Promise<Activity> => (await emulator.get('/__admin/activity')).body;
  return { ...emulator, activity };
}

describe('activity', () => {
  it('is empty before the first request', async () => {
    const { activity } = await createActiveEmulator();
    expect(await activity()).toEqual({ now: START, requestCount: 0, accounts: [], requests: [], unauthorized: [] });
  });

  it('lists accounts with tasks or requests, those with the most running tasks and the latest request first', async () => {
    const { activity, post, clock } = await createActiveEmulator();
    await post(CHECK, { taskId: 'task_1' }, 'np_test_limited');
    clock.advance(1);
    await post(GENERATE, VALID, 'np_test_frozen');
    await post(GENERATE, VALID, 'np_test_auto');
    await post(GENERATE, { ...VALID, prompt: '@emulator(fail)' }, 'np_test_auto');
    await post('/__admin/accounts/np_test_auto/clock/advance', { ms: 600_000 }, null);
    clock.advance(999);
    await post(CHECK, { taskId: 'task_1' }, 'np_test_unlimited');
    const idle = { processing: 0, failed: 0, requestCount: 1 };
    const { accounts, requestCount } = await activity();
    expect(accounts).toEqual([
      { ...idle, key: 'np_test_frozen', processing: 1, lastRequestAt: '2026-01-15T12:00:00.001Z' },
      { ...idle, key: 'np_test_unlimited', lastRequestAt: SECOND },
      { ...idle, key: 'np_test_auto', failed: 1, requestCount: 2, lastRequestAt: '2026-01-15T12:00:00.001Z' },
      { ...idle, key: 'np_test_limited', lastRequestAt: START },
    ]);
    expect(requestCount).toBe(5);
  });

  it('does not list snapshots, and keeps the requests of a restored account', async () => {
    const { activity, post } = await createActiveEmulator();
    await post(GENERATE, VALID);
    await post('/__admin/accounts/np_test_default/snapshots', { name: 's' }, null);
    await post('/__admin/accounts/np_test_default/snapshots/s/restore', {}, null);
    const { accounts, requests } = await activity();
    expect(accounts).toMatchObject([{ key: 'np_test_default', processing: 1, requestCount: 1 }]);
    expect(requests).toMatchObject([{ key: 'np_test_default', id: '1' }]);
  });

  it('lists the latest 50 requests of all accounts, newest first, in wall time', async () => {
    const { activity, post, send, clock } = await createActiveEmulator(['--rate-limit', 'off']);
    await post('/__admin/accounts/np_test_frozen/clock/advance', { ms: 3_600_000 }, null);
    for (let n = 0; n < 50; n++) await post(CHECK, { taskId: `task_${n}` }, 'np_test_a');
    clock.advance(1000);
    const headers = { 'x-request-id': 'my-request' };
    await send('POST', GENERATE, { key: 'np_test_frozen', body: {}, headers });
    await post(GENERATE, VALID, 'np_test_removed');
    await send('DELETE', '/__admin/accounts/np_test_removed', { key: null });
    const { requests } = await activity();
    expect(requests[0]).toEqual({
      ...{ key: 'np_test_frozen', id: '1', requestId: 'my-request', receivedAt: SECOND, method: 'POST' },
      ...{ path: GENERATE, status: 400, errorCode: 'PROMPT_REQUIRED', durationMs: expect.any(Number) },
    });
    expect(requests.slice(1).map(({ key, id }) => `${key} ${id}`)).toEqual(
      Array.from({ length: 49 }, (_, n) => `np_test_a ${50 - n}`),
    );
    // A cleared journal has no requests; its account was active nevertheless.
    await send('DELETE', '/__admin/accounts/np_test_a/requests', { key: null });
    const after = await activity();
    expect(after.requests).toHaveLength(1);
    expect(after.accounts).toContainEqual(expect.objectContaining({ key: 'np_test_a', requestCount: 50 }));
  });

  // id: unauthorized-keys-masked
  it('lists requests without a valid key, with the reason, and with the key masked everywhere', async () => {
    const { activity, send, post } = await createActiveEmulator();
    await post('/__admin/accounts', { key: 'sk_revoked_0123456789' }, null);
    await send('PATCH', '/__admin/accounts/sk_revoked_0123456789', { key: null, body: { revoked: true } });
    const call = (headers: object) => send('POST', GENERATE, { key: null, body: VALID, headers });
    await call({});
    await call({ authorization: 'np_test_default' });
    await call({ authorization: 'Bearer sk_live_0123456789abcdef', 'x-request-id': 'of-sk_live_0123456789abcdef' });
    await call({ authorization: 'Bearer of-15-character' });
    await call({ authorization: 'Bearer of-16-characters' });
    await call({ authorization: 'Bearer sk_revoked_0123456789' });
    // Unknown paths need no key.
    await send('POST', '/api/nothing', { key: 'short-key', body: {} });
    const { unauthorized, requests } = await activity();
    const common = { receivedAt: START, method: 'POST', path: GENERATE, requestId: expect.any(String) };
    expect(unauthorized).toEqual([
      { ...common, key: 'sk_r…6789', reason: 'revoked' },
      { ...common, key: 'of-1…ters', reason: 'unknown' },
      { ...common, key: 'of-1…', reason: 'unknown' },
      { ...common, key: 'sk_l…cdef', reason: 'unknown', requestId: 'of-sk_l…' },
      { ...common, key: null, reason: 'malformed' },
      { ...common, key: null, reason: 'missing' },
    ]);
    expect(requests).toEqual([]);
  });

  it('keeps 50 requests without a valid key, bounded in size, until all accounts are reset', async () => {
    const { activity, post } = await createActiveEmulator(['--auto-accounts', 'off']);
    for (let n = 0; n < 60; n++) await post(GENERATE, VALID, `np_test_${n}${'k'.repeat(4000)}`);
    const { unauthorized } = await activity();
    expect(unauthorized).toHaveLength(50);
    expect(unauthorized[0]!.key).toBe(`np_test_59${'k'.repeat(190)}`);
    await post('/__admin/reset', {}, null);
    expect((await activity()).unauthorized).toEqual([]);
  });

  it('lists no requests when the journal is off, but counts them', async () => {
    const { activity, post } = await createActiveEmulator(['--journal-entries', '0']);
    await post(GENERATE, VALID);
    await post(GENERATE, VALID, 'nobody');
    expect(await activity()).toMatchObject({
      ...{ requestCount: 1, requests: [], unauthorized: [] },
      accounts: [{ key: 'np_test_default', processing: 1, requestCount: 0, lastRequestAt: null }],
    });
  });
});
