import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../../support/emulator.ts';

const GENERATE = '/api/sora-2/generate';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };
const FROM_PAGE = { origin: 'https://app.test' };
const PREFLIGHT = {
  ...FROM_PAGE,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization,content-type',
};

describe('web pages of other origins', () => {
  it('may not use the API by default', async () => {
    const { send } = await createTestEmulator();
    const preflight = await send('OPTIONS', GENERATE, { key: null, headers: PREFLIGHT });
    expect(preflight.status).toBe(405);
    const response = await send('POST', GENERATE, { body: VALID, headers: FROM_PAGE });
    for (const { headers } of [preflight, response]) expect(headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('may use the API with --cors on, and read errors and headers', async () => {
    const { send, core } = await createTestEmulator(['--cors', 'on']);
    expect(await send('OPTIONS', GENERATE, { key: null, headers: PREFLIGHT })).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'POST',
        'access-control-allow-headers': '*, authorization',
      },
    });
    const { id } = core.accounts.find('np_test_default')!;
    expect(core.rateLimiter.peek(id, core.clock.nowMs()).count).toBe(0);
    core.faults.add(id, { match: {}, at: 'request', times: 1, effect: { answer: { status: 418, text: '' } } });
    for (const [key, path, status] of [
      ['np_test_default', GENERATE, 418],
      ['np_test_default', GENERATE, 200],
      ['unknown', GENERATE, 401],
      ['np_test_default', '/api/unknown', 404],
    ] as const) {
      expect(await send('POST', path, { key, body: VALID, headers: FROM_PAGE })).toMatchObject({
        status,
        headers: {
          'access-control-allow-origin': '*',
          'access-control-expose-headers': '*',
          'x-request-id': expect.any(String),
        },
      });
    }
  });

  it('may not use the control plane with --cors on', async () => {
    const { send } = await createTestEmulator(['--cors', 'on']);
    for (const method of ['OPTIONS', 'GET']) {
      const { status, headers } = await send(method, '/__admin/accounts', { key: null, headers: PREFLIGHT });
      expect(status).toBe(403);
      expect(headers).not.toHaveProperty('access-control-allow-origin');
    }
  });
});
