import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { maskKey } from '../../../src/http/redaction.ts';
import { createTestEmulator } from '../../support/emulator.ts';
import { createTestClock } from '../../support/test-clock.ts';

describe('request log', () => {
  it('shows test keys and masks others', () => {
    expect(maskKey('np_test_mine')).toBe('np_test_mine');
    expect(maskKey('sk_live_0123456789')).toBe('sk_l…');
  });

  // id: log-masks-keys-of-any-length
  it.each([200, 201, 15_000, 200_000])('masks a key of %d characters', async (length) => {
    const lines: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(line) });
    const { send } = await createTestEmulator(['--header-limit-bytes', '1000000'], createTestClock(), logger);
    const key = 'secret'.repeat(Math.ceil(length / 6)).slice(0, length);
    expect((await send('POST', '/api/sora-2/check-status', { key, body: { taskId: key } })).status).toBe(401);
    expect((await send('GET', `/__admin/nothing/${key}`, { key })).status).toBe(404);
    expect(lines).toHaveLength(2);
    expect(lines.join('')).not.toContain('secretsecret');
  });

  it('masks possible keys when the database cannot be read, without failing the response', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(line) });
    const { send, core, createAccount } = await createTestEmulator([], createTestClock(), logger);
    createAccount('secret-of-somebody');
    const find = vi.spyOn(core.accounts, 'find').mockImplementation(() => {
      throw new Error('disk I/O error');
    });
    expect((await send('GET', '/__admin/nothing/secret-of-somebody', { key: null })).status).toBe(404);
    expect(find).toHaveBeenCalled();
    expect(lines.join('')).not.toContain('secret-of-somebody');
  });

  it('has the reason of a 429, with the limit of the account', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) });
    const { post, createAccount } = await createTestEmulator([], createTestClock(), logger);
    createAccount('k', { rateLimit: 1 });
    for (let n = 0; n < 2; n++) await post('/api/sora-2/check-status', { taskId: 'x' }, 'k');
    expect(lines[1]).toMatchObject({ status: 429, reason: 'more than 1 requests in this hour' });
  });

  it('masks keys in paths of the control plane, but not the names of operations', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line).path) });
    const { send } = await createTestEmulator([], createTestClock(), logger);
    await send('POST', '/__admin/accounts/import', { key: null, body: {} });
    await send('GET', '/__admin/accounts/import', { key: null });
    await send('GET', '/__admin/accounts/secret-of-somebody/export', { key: null });
    expect(lines).toEqual(['/__admin/accounts/import', '/__admin/accounts/impo…', '/__admin/accounts/secr…/export']);
  });

  it('has the error code of a failed task whose poll is 200', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) });
    const { post, core, account } = await createTestEmulator([], createTestClock(), logger);
    const { taskId } = (await post('/api/sora-2/generate', { prompt: 'a', mode: 'textToVideo' })).body;
    core.tasks.fail(account('np_test_default').id, taskId, 'GENERATION_FAILED');
    await post('/api/sora-2/check-status', { taskId });
    expect(lines.map(({ path, status, errorCode }) => [path, status, errorCode])).toEqual([
      ['/api/sora-2/generate', 200, null],
      ['/api/sora-2/check-status', 200, 'GENERATION_FAILED'],
    ]);
  });
});
