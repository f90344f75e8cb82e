import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../../support/emulator.ts';
import { createTestClock } from '../../support/test-clock.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };
const ENDPOINTS = [
  GENERATE,
  CHECK,
  '/api/veo-3/generate',
  '/api/veo-3/check-status',
  '/api/sora-2/generate-prompt',
  '/api/sora-2/reverse-prompt',
];

const envelope = (errorCode: string) => ({ success: false, error: expect.any(String), errorCode });

describe('authentication', () => {
  it.each([
    ['no header', {}],
    ['an empty header', { authorization: '' }],
    ['no key', { authorization: 'Bearer' }],
    ['an empty key', { authorization: 'Bearer   ' }],
    ['another scheme', { authorization: 'Basic np_test_default' }],
    ['a bare key', { authorization: 'np_test_default' }],
    ['an unknown key', { authorization: 'Bearer sk_unknown' }],
    ['a key that only begins like a test key', { authorization: 'Bearer np_tes' }],
    ['a key that only contains a test key', { authorization: 'Bearer sk_np_test_a' }],
    ['a test key of more than 200 characters', { authorization: `Bearer np_test_${'a'.repeat(193)}` }],
    ['a test key that is not ASCII', { authorization: 'Bearer np_test_\u00fc' }],
    ['a key with a space', { authorization: 'Bearer np_test_a b' }],
  ])('rejects %s', async (_case, headers) => {
    const { send } = await createTestEmulator();
    for (const path of ENDPOINTS) {
      const answer = await send('POST', path, { key: null, headers, body: VALID });
      expect(answer.status).toBe(401);
      expect(answer.text).toBe('{"success":false,"error":"Authentication required","errorCode":"LOGIN_REQUIRED"}');
      expect(answer.headers).not.toHaveProperty('x-ratelimit-limit');
    }
  });

  it('rejects a revoked key', async () => {
    const { core, post } = await createTestEmulator();
    core.accounts.change(core.accounts.find('np_test_default')!.id, { revoked: true });
    expect(await post(GENERATE, VALID)).toMatchObject({ status: 401, body: envelope('LOGIN_REQUIRED') });
  });

  it.each(['Bearer', 'bearer', 'BEARER', 'Bearer  '])('accepts the scheme "%s"', async (scheme) => {
    const { send } = await createTestEmulator();
    const headers = { authorization: `${scheme} np_test_default` };
    expect((await send('POST', GENERATE, { key: null, headers, body: VALID })).status).toBe(200);
  });

  it('auto-creates an account for an unknown test key, once, from the default profile', async () => {
    const { post, account } = await createTestEmulator(['--rate-limit', '7', '--speed', '5', '--seed', 's']);
    expect((await post(GENERATE, VALID, 'np_test_made_up')).status).toBe(200);
    expect((await post(GENERATE, VALID, 'np_test_made_up')).status).toBe(200);
    expect(account('np_test_made_up')).toMatchObject({
      origin: 'self',
      balance: 992,
      rateLimit: 7,
      speed: 5,
      seed: 's',
    });
  });

  it('auto-creates no account with --auto-accounts off', async () => {
    const { post } = await createTestEmulator(['--auto-accounts', 'off']);
    expect((await post(GENERATE, VALID, 'np_test_made_up')).status).toBe(401);
    expect((await post(GENERATE, VALID, 'np_test_default')).status).toBe(200);
  });

  it('auto-creates no account for a key that is too long', async () => {
    const { post } = await createTestEmulator();
    expect((await post(GENERATE, VALID, `np_test_${'x'.repeat(500)}`)).status).toBe(401);
  });

  it('gives a key access to its own tasks only', async () => {
    const { post } = await createTestEmulator();
    const { body } = await post(GENERATE, VALID, 'np_test_one');
    expect((await post(CHECK, { taskId: body.taskId }, 'np_test_one')).status).toBe(200);
    expect(await post(CHECK, { taskId: body.taskId }, 'np_test_two')).toMatchObject({
      status: 404,
      body: envelope('TASK_NOT_FOUND'),
    });
  });
});

describe('rate limit', () => {
  it('accepts exactly 100 of 101 concurrent requests', async () => {
    const { post } = await createTestEmulator();
    const answers = await Promise.all(
      Array.from({ length: 101 }, () => post(CHECK, { taskId: 'task_x' }, 'np_test_burst')),
    );
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(100);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(1);
  });

  it('sends its headers with every authenticated response, and Retry-After with a 429', async () => {
    const { post, clock } = await createTestEmulator();
    const first = await post(GENERATE, VALID, 'np_test_limited');
    expect(first.headers).toMatchObject({
      'x-ratelimit-limit': '3',
      'x-ratelimit-remaining': '2',
      'x-ratelimit-reset': '3600',
    });
    clock.advance(600_000);
    expect((await post(GENERATE, {}, 'np_test_limited')).headers).toMatchObject({
      'x-ratelimit-remaining': '1',
    });
    await post(CHECK, { taskId: 'task_x' }, 'np_test_limited');
    const refused = await post(GENERATE, VALID, 'np_test_limited');
    expect(refused.status).toBe(429);
    expect(refused.headers).toMatchObject({
      'x-ratelimit-limit': '3',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '3000',
      'retry-after': '3000',
    });
    // The vendor's message, whatever the limit of the key.
    expect(refused.body.error).toContain('Default: 100 requests/hour');
  });

  it('ends after an hour, which rejected requests do not extend', async () => {
    const { post, clock } = await createTestEmulator();
    const status = async () => (await post(CHECK, { taskId: 'x' }, 'np_test_limited')).status;
    expect([await status(), await status(), await status(), await status()]).toEqual([404, 404, 404, 429]);
    clock.advance(3_599_999);
    expect(await status()).toBe(429);
    clock.advance(1);
    expect(await status()).toBe(404);
  });

  it('runs on the clock of the account and ignores its speed', async () => {
    const { post, core, clock, createAccount } = await createTestEmulator();
    const frozen = createAccount('frozen', { rateLimit: 1, clock: { mode: 'frozen' } });
    createAccount('fast', { rateLimit: 1, speed: 1000 });
    const status = async (key: string) => (await post(CHECK, { taskId: 'x' }, key)).status;
    expect([await status('frozen'), await status('frozen')]).toEqual([404, 429]);
    expect([await status('fast'), await status('fast')]).toEqual([404, 429]);
    clock.advance(3_599_000);
    expect(await status('fast')).toBe(429);
    clock.advance(1000);
    expect(await status('frozen')).toBe(429);
    core.timeline.advance(frozen.id, 3_600_000);
    expect(await status('frozen')).toBe(404);
  });

  it('is checked after authentication and before everything else', async () => {
    const { send, post } = await createTestEmulator();
    for (let n = 0; n < 3; n++) await post(CHECK, { taskId: 'x' }, 'np_test_limited');
    const limited = { key: 'np_test_limited' };
    expect((await send('POST', GENERATE, { ...limited, body: '{broken' })).status).toBe(429);
    expect((await send('POST', '/api/nowhere', { ...limited, body: VALID })).status).toBe(429);
    expect((await send('GET', GENERATE, limited)).status).toBe(429);
    expect((await send('POST', GENERATE, { key: 'unknown', body: VALID })).status).toBe(401);
  });

  it('counts requests to unknown paths if they have a valid key', async () => {
    const { send } = await createTestEmulator();
    expect((await send('POST', '/api/nowhere', { body: VALID })).headers).toMatchObject({
      'x-ratelimit-remaining': '99',
    });
    expect((await send('GET', GENERATE)).headers).toMatchObject({ 'x-ratelimit-remaining': '98' });
  });

  it('sends no headers when it is off', async () => {
    const { post } = await createTestEmulator();
    const answers = await Promise.all(
      Array.from({ length: 150 }, () => post(CHECK, { taskId: 'x' }, 'np_test_unlimited')),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
    expect(answers[0]!.headers).not.toHaveProperty('x-ratelimit-limit');
  });

  it('is counted per key', async () => {
    const { post } = await createTestEmulator();
    for (let n = 0; n < 3; n++) await post(CHECK, { taskId: 'x' }, 'np_test_limited');
    expect((await post(CHECK, { taskId: 'x' }, 'np_test_limited')).status).toBe(429);
    expect((await post(CHECK, { taskId: 'x' }, 'np_test_other')).headers['x-ratelimit-remaining']).toBe('99');
  });
});

describe('keys of auto-created accounts', () => {
  it.each(['np_test_', 'np_test_a:b@c|d', 'np_test_"it_works"_is_no_title', `np_test_${'a'.repeat(192)}`])(
    'may be %s',
    async (key) => {
      const { post, get } = await createTestEmulator();
      expect((await post(GENERATE, VALID, key)).status).toBe(200);
      expect((await get(`/__admin/accounts/${encodeURIComponent(key)}`)).body.credits).toBe(996);
    },
  );
});

describe('request validation', () => {
  it.each([
    ['POST', '/api/sora-2'],
    ['POST', '/api/sora-2/generate/'],
    ['POST', '/API/sora-2/generate'],
    ['GET', '/'],
    ['DELETE', '/media/../etc/passwd'],
    ['GET', '/%E0%A4%A'],
    ['OPTIONS', '/nowhere'],
    ['PROPFIND', '/nowhere'],
  ])('responds to %s %s with 404 in the API format, with and without a key', async (method, path) => {
    const { send } = await createTestEmulator();
    for (const key of ['np_test_default', null]) {
      const answer = await send(method, path, { key });
      expect(answer.status).toBe(404);
      expect(answer.text).toBe('{"success":false,"error":"Not found","errorCode":"NOT_FOUND"}');
    }
  });

  it.each(['/mcp', '/mcp/', '/mcp/sse', '/mcp?session=1'])(
    'responds to every request to %s with 404 and what to use instead of the MCP server',
    async (path) => {
      const { send } = await createTestEmulator();
      for (const key of ['np_test_default', null]) {
        for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
          const body = { jsonrpc: '2.0', id: 1, method: 'initialize' };
          const answer = await send(method, path, { key, ...(method === 'POST' && { body }) });
          expect(answer.status).toBe(404);
          expect(answer.text).toBe(
            '{"success":false,"error":"The MCP server of NanoPhoto.AI is not emulated. Use the HTTP API: /docs lists ' +
              'its endpoints","errorCode":"NOT_FOUND"}',
          );
        }
      }
      expect((await send('POST', '/mcp2', { key: null })).body.error).toBe('Not found');
    },
  );

  it.each(['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    'responds to %s on a known path with 405',
    async (method) => {
      const { send } = await createTestEmulator();
      for (const path of ENDPOINTS) {
        const answer = await send(method, path, { key: null });
        expect(answer.status).toBe(405);
        expect(answer.headers.allow).toBe('POST');
        expect(answer.body).toEqual(envelope('METHOD_NOT_ALLOWED'));
      }
    },
  );

  it.each(['', '{bad', `"${'x'.repeat(2 * 1024 * 1024)}"`])(
    'responds with 404 and 405 regardless of the body (case %#)',
    async (body) => {
      const { send, account, core, clock } = await createTestEmulator();
      for (const key of ['np_test_default', null]) {
        const ask = (method: string, path: string) =>
          send(method, path, { key, body, headers: { 'content-type': 'application/json' } });
        expect(await ask('POST', '/nowhere')).toMatchObject({ status: 404, body: envelope('NOT_FOUND') });
        expect(await ask('DELETE', GENERATE)).toMatchObject({
          status: 405,
          headers: { allow: 'POST' },
          body: envelope('METHOD_NOT_ALLOWED'),
        });
        expect((await ask('POST', '/health')).status).toBe(404);
        expect(await ask('POST', '/__admin/nowhere')).toMatchObject({
          status: 404,
          body: { code: 'NOT_FOUND' },
        });
      }
      // Counted towards the rate limit, once each.
      expect(core.rateLimiter.peek(account('np_test_default').id, clock.nowMs()).count).toBe(3);
    },
  );

  it('responds with 405 to methods for which Fastify requires a content type', async () => {
    const { send } = await createTestEmulator();
    expect(await send('QUERY', GENERATE, { key: null })).toMatchObject({
      status: 405,
      headers: { allow: 'POST' },
    });
    expect((await send('QUERY', '/nowhere', { key: null })).status).toBe(404);
    expect((await send('QUERY', '/__admin/accounts', { key: null })).status).toBe(404);
  });

  it.each(ENDPOINTS)('POST %s rejects a compressed body', async (path) => {
    const { send } = await createTestEmulator();
    const sent = (encoding: string) => send('POST', path, { body: VALID, headers: { 'content-encoding': encoding } });
    const refused = await sent('gzip');
    expect(refused).toMatchObject({ status: 415, body: envelope('INVALID_INPUT') });
    expect(refused.body.error).toContain('Content-Encoding');
    expect((await sent('identity')).status).not.toBe(415);
  });

  it.each(ENDPOINTS)('POST %s rejects a body that is not UTF-8, without charging it', async (path) => {
    const { app, account } = await createTestEmulator();
    const answer = await app.inject({
      method: 'POST',
      url: path,
      headers: { authorization: 'Bearer np_test_default', 'content-type': 'application/json' },
      payload: Buffer.from('{"prompt":"\xe9t\xe9","mode":"textToVideo","topic":"\xe9"}', 'latin1'),
    });
    expect([answer.statusCode, answer.json()]).toEqual([400, envelope('INVALID_INPUT')]);
    expect(account('np_test_default').balance).toBe(1000);
  });

  it.each(ENDPOINTS)('POST %s rejects content types other than JSON', async (path) => {
    const { send } = await createTestEmulator();
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'nonsense',
    ]) {
      const answer = await send('POST', path, {
        body: JSON.stringify(VALID),
        headers: { 'content-type': type },
      });
      expect(answer).toMatchObject({ status: 415, body: envelope('INVALID_INPUT') });
    }
  });

  it('accepts JSON with parameters in the content type', async () => {
    const { send } = await createTestEmulator();
    const headers = { 'content-type': 'Application/JSON; charset=utf-8' };
    expect((await send('POST', GENERATE, { body: VALID, headers })).status).toBe(200);
  });

  it.each(ENDPOINTS)('POST %s rejects a body that is not a JSON object', async (path) => {
    const { send, core, account } = await createTestEmulator();
    const bodies = ['', '{', '{"prompt":', 'null', '[]', '"text"', '5', 'true', '{}{}', '\u0000', '{"a":1,}'];
    for (const body of bodies) {
      const answer = await send('POST', path, { body, headers: { 'content-type': 'application/json' } });
      expect([body, answer.status, answer.body]).toEqual([body, 400, envelope('INVALID_INPUT')]);
    }
    expect(await send('POST', path)).toMatchObject({ status: 400, body: envelope('INVALID_INPUT') });
    expect(core.ledger.entries(account('np_test_default').id, 10)).toHaveLength(1);
  });

  it('accepts a body with a byte order mark', async () => {
    const { send } = await createTestEmulator();
    const answer = await send('POST', GENERATE, { body: `\uFEFF${JSON.stringify(VALID)}` });
    expect(answer.status).toBe(200);
  });

  it('ignores fields with names that are special in JavaScript', async () => {
    const { send, account } = await createTestEmulator();
    const body = '{"__proto__":{"mode":"textToVideo"},"constructor":{"prototype":{}},"prompt":"a"}';
    expect((await send('POST', GENERATE, { body })).body).toEqual({
      success: false,
      error: 'Missing required parameters: mode',
      errorCode: 'INVALID_INPUT',
    });
    expect(account('np_test_default').balance).toBe(1000);
  });

  it('responds with 413 to a body over the limit', async () => {
    const { post } = await createTestEmulator();
    const answer = await post(GENERATE, { ...VALID, prompt: 'x'.repeat(1_048_577) });
    expect(answer).toMatchObject({ status: 413, body: envelope('INVALID_INPUT') });
  });

  it('applies --body-limit-bytes', async () => {
    const { post } = await createTestEmulator(['--body-limit-bytes', '2000000']);
    expect((await post(GENERATE, { ...VALID, other: 'x'.repeat(1_048_577) })).status).toBe(200);
  });
});

describe('unexpected errors', () => {
  it('are sent as INTERNAL_ERROR without details', async () => {
    const log: Record<string, unknown>[] = [];
    const logger = pino({ level: 'warn' }, { write: (line) => void log.push(JSON.parse(line)) });
    const { core, post } = await createTestEmulator([], createTestClock(), logger);
    core.db.exec('DROP TABLE tasks');
    const answer = await post(GENERATE, VALID);
    expect(answer.status).toBe(500);
    expect(answer.text).toBe('{"success":false,"error":"Internal server error","errorCode":"INTERNAL_ERROR"}');
    // The log contains the details.
    expect(log).toHaveLength(1);
    expect(log[0]).toMatchObject({ err: { message: 'no such table: tasks', stack: expect.any(String) } });
  });
});
