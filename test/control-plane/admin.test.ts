import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { expectSameHead } from '../support/head.ts';

const VALID = { prompt: 'a dog', mode: 'textToVideo' };
const LEDGER = '/__admin/accounts/np_test_default/ledger';

describe('health', () => {
  it('is served without a token and without a rate limit', async () => {
    const { send, get, core } = await createTestEmulator(['--admin-token', 'very-secret']);
    expect((await get('/health')).body).toEqual({ status: 'ok' });
    expect((await get('/ready')).body).toEqual({ status: 'ready' });
    core.db.close();
    expect(await get('/ready')).toMatchObject({ status: 503, body: { status: 'stopping' } });
    expect((await send('GET', '/health', { key: 'unknown' })).status).toBe(200);
    expect((await send('HEAD', '/health', { key: null })).status).toBe(200);
    expect((await send('GET', '/health')).headers).not.toHaveProperty('x-ratelimit-limit');
  });
});

describe('HEAD requests', () => {
  it('get the status and the headers of GET, without a body', async () => {
    const { listen } = await createTestEmulator();
    const paths = ['/health', '/ready', '/__admin/openapi.json', '/__admin/accounts', LEDGER, '/__admin/accounts/none'];
    await expectSameHead(await listen(), paths);
  });
});

describe('metrics', () => {
  it('count accounts, tasks, responses of known accounts by status, and unauthorized requests', async () => {
    const { post, get, send } = await createTestEmulator();
    await post('/api/sora-2/generate', VALID);
    await post('/api/sora-2/generate', VALID);
    await post('/api/sora-2/generate', {});
    for (const key of ['sk_unknown', null]) await post('/api/sora-2/generate', VALID, key);
    // Unknown paths need no key, so these do not count as unauthorized.
    await post('/api/nothing', VALID, null);
    await send('GET', '/__admin/nothing', { key: null });
    const { text, headers } = await get('/metrics');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const values = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(values).toEqual([
      'nanophoto_accounts 6',
      'nanophoto_tasks{family="sora-2",status="processing"} 2',
      'nanophoto_requests_total{status="200"} 2',
      'nanophoto_requests_total{status="400"} 1',
      'nanophoto_unauthorized_total 2',
      expect.stringMatching(/^nanophoto_memory_bytes\{use="journal"\} [1-9]\d*$/),
      ...['storage', 'bodies', 'responses', 'listeners'].map((use) =>
        expect.stringMatching(new RegExp(`^nanophoto_memory_bytes\\{use="${use}"\\} \\d+$`)),
      ),
      'nanophoto_memory_budget_bytes 67108864',
      expect.stringMatching(/^nanophoto_resident_memory_bytes \d+$/),
      expect.stringMatching(/^nanophoto_heap_used_bytes \d+$/),
    ]);
  });

  it.each([[[]], [['--journal-entries', '0']]])('count responses with and without a journal: %j', async (flags) => {
    const { post, get, core, app } = await createTestEmulator(flags);
    await post('/api/sora-2/generate', {});
    await post('/api/sora-2/generate', VALID);
    // A truncated response does not pass the hook that records complete ones.
    const { id } = core.accounts.find('np_test_default')!;
    core.faults.add(id, { match: {}, at: 'request', effect: { truncateAfter: 1 } });
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const headers = { authorization: 'Bearer np_test_default', 'content-type': 'application/json' };
    const response = await fetch(`${url}/api/sora-2/generate`, { method: 'POST', headers, body: '{}' });
    await expect(response.text()).rejects.toThrow();
    const counts = (await get('/metrics')).text.split('\n').filter((line) => line.startsWith('nanophoto_requests'));
    expect(counts).toEqual(['nanophoto_requests_total{status="200"} 1', 'nanophoto_requests_total{status="400"} 2']);
  });
});

describe('control plane', () => {
  it('reads an account with its limiter and clock', async () => {
    const { get, post } = await createTestEmulator();
    await post('/api/sora-2/generate', VALID);
    expect((await get('/__admin/accounts/np_test_default')).body).toEqual({
      key: 'np_test_default',
      credits: 996,
      rateLimit: { limit: 100, remaining: 99, resetAt: '2026-01-15T13:00:00.000Z' },
      clock: { mode: 'real', now: '2026-01-15T12:00:00.000Z' },
      speed: 60,
      failureRate: 0,
      seed: 'nanophoto',
      createdAt: '2026-01-15T12:00:00.000Z',
      revoked: false,
    });
    expect((await get('/__admin/accounts/np_test_unlimited')).body.rateLimit).toEqual({
      limit: null,
      remaining: null,
      resetAt: null,
    });
  });

  it('lists accounts sorted by key, in pages', async () => {
    const { get } = await createTestEmulator();
    const first = (await get('/__admin/accounts?limit=2')).body;
    expect(first.accounts.map(({ key }: { key: string }) => key)).toEqual(['np_test_auto', 'np_test_default']);
    expect(first.next).toBe('np_test_default');
    const rest = (await get(`/__admin/accounts?after=${first.next}`)).body;
    expect(rest.accounts).toHaveLength(4);
    expect(rest.next).toBeNull();
  });

  it('accepts keys of any length and alphabet', async () => {
    const { get, post } = await createTestEmulator();
    const key = `np_test_${'x/y+z=~.'.repeat(14)}`;
    await post('/api/sora-2/generate', VALID, key);
    expect((await get(`/__admin/accounts/${encodeURIComponent(key)}`)).body).toMatchObject({
      key,
      credits: 996,
    });
  });

  it('lists ledger entries oldest first, in pages, with the sum of open holds', async () => {
    const { get, post, clock } = await createTestEmulator();
    const { taskId } = (await post('/api/sora-2/generate', VALID)).body;
    const entry = (id: string, kind: string, amount: number, balance: number, overrides: object) => ({
      ...{ id, kind, amount, balance, taskId: null, reason: null },
      at: '2026-01-15T12:00:00.000Z',
      ...overrides,
    });
    const grant = entry('1', 'grant', 1000, 1000, { reason: 'initial credits' });
    const hold = entry('2', 'hold', -4, 996, { taskId });
    expect((await get(LEDGER)).body).toEqual({ balance: 996, held: 4, entries: [grant, hold], next: null });
    clock.advance(60_000);
    const capture = entry('3', 'capture', 0, 996, { taskId, at: expect.any(String) });
    expect((await get(LEDGER)).body).toEqual({
      balance: 996,
      held: 0,
      entries: [grant, hold, capture],
      next: null,
    });
    expect((await get(`${LEDGER}?limit=2`)).body).toMatchObject({ entries: [grant, hold], next: '2' });
    expect((await get(`${LEDGER}?after=2`)).body).toMatchObject({ entries: [capture], next: null });
  });

  it('finds manipulated rows when it verifies the ledger', async () => {
    const { get, post, core } = await createTestEmulator();
    await post('/api/sora-2/generate', VALID);
    expect((await get(`${LEDGER}/verify`)).body).toEqual({ ok: true, problems: [] });
    core.db.exec(
      'DROP TRIGGER entry_is_never_changed; DROP TRIGGER task_runs_to_its_end; DROP TRIGGER task_leaves_its_id',
    );
    core.db.exec('UPDATE ledger_entries SET balance = balance + 1 WHERE seq = 2');
    expect((await get(`${LEDGER}/verify`)).body).toEqual({
      ok: false,
      problems: ['an entry does not follow the previous one: entry 2'],
    });
    core.db.exec('DELETE FROM tasks; UPDATE ledger_entries SET balance = balance - 1 WHERE seq = 2');
    expect((await get(`${LEDGER}/verify`)).body.problems).toEqual(['a hold does not belong to a task: hold 2']);
  });

  it.each([
    [`${LEDGER}?limit=0`, 'limit'],
    [`${LEDGER}?limit=1001`, 'limit'],
    [`${LEDGER}?limit=ten`, 'limit'],
    [`${LEDGER}?after=x`, 'after'],
    ['/__admin/accounts?nonsense=1', 'nonsense'],
  ])('rejects %s and names the field', async (path, field) => {
    const { get } = await createTestEmulator();
    const { status, body } = await get(path);
    expect([status, body.code]).toEqual([400, 'INVALID_INPUT']);
    expect(body.error).toContain(field);
  });

  it('responds to unknown accounts and paths in its own error format', async () => {
    const { get, send } = await createTestEmulator();
    expect(await get('/__admin/accounts/nobody/ledger')).toMatchObject({
      status: 404,
      body: { error: 'No account has the key nobody.', code: 'ACCOUNT_NOT_FOUND' },
    });
    for (const path of ['/__admin/accounts/', '/__admin/accounts//ledger']) {
      expect(await get(path)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    }
    for (const path of ['/__admin', '/__admin/', '/__admin/nowhere', '/__admin?x=%zz', '/%5f%5Fadmin/nowhere']) {
      expect(await get(path)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    }
    expect((await get('/__administration')).body).toMatchObject({ success: false });
    expect(await send('POST', '/__admin/accounts/x/nowhere')).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND' },
    });
  });

  it('guards unknown paths, too, and opens them to no web page', async () => {
    const { send } = await createTestEmulator(['--admin-token', 'very-secret', '--cors', 'on']);
    for (const method of ['GET', 'OPTIONS']) {
      const response = await send(method, '/__admin/nowhere');
      expect(response).toMatchObject({ status: 401, body: { code: 'ADMIN_TOKEN_REQUIRED' } });
      expect(response.headers).not.toHaveProperty('access-control-allow-origin');
    }
  });

  it('responds to malformed paths in its own error format', async () => {
    const { get } = await createTestEmulator();
    for (const key of ['%zz', 'x'.repeat(1100)]) {
      const { status, body } = await get(`/__admin/accounts/${key}`);
      expect([status, body]).toEqual([404, { error: expect.stringMatching(/\.$/), code: 'NOT_FOUND' }]);
    }
    expect((await get('/api/%zz')).body).toMatchObject({ success: false, errorCode: 'NOT_FOUND' });
  });

  // id: control-plane-json-only-415
  it.each([
    [{ 'content-type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE', 'Content-Type: application/json'],
    [{ 'content-type': 'application/json', 'content-encoding': 'gzip' }, 415, 'UNSUPPORTED_MEDIA_TYPE', 'gzip'],
  ])('rejects bodies that it cannot read, with headers %j', async (headers, status, code, expectedText) => {
    const { send } = await createTestEmulator();
    const response = await send('POST', '/__admin/accounts', { key: null, body: '{}', headers });
    expect([response.status, response.body.code]).toEqual([status, code]);
    expect(response.body.error).toContain(expectedText);
  });

  it.each(['application/x-www-form-urlencoded', 'text/plain', 'application/octet-stream'])(
    'accepts an empty body of the type %s',
    async (contentType) => {
      const { send } = await createTestEmulator();
      const post = (body: string) =>
        send('POST', '/__admin/accounts', {
          key: null,
          body,
          headers: { 'content-type': contentType, 'content-length': String(body.length) },
        });
      expect((await post('')).status).toBe(201);
      expect((await post('{}')).status).toBe(415);
    },
  );

  it.each(['/__admin/accounts', '/health'])(
    'requires a Host header in HTTP/1.1, in its own error format: %s',
    async (path) => {
      const { app } = await createTestEmulator();
      await app.listen({ port: 0, host: '127.0.0.1' });
      const { port } = app.server.address() as AddressInfo;
      const socket = connect(port, '127.0.0.1');
      socket.end(`GET ${path} HTTP/1.1\r\nConnection: close\r\n\r\n`);
      const response = await text(socket);
      expect(response).toMatch(/^HTTP\/1\.1 400 /);
      expect(response).toContain('"code":"MALFORMED_REQUEST"');
    },
  );

  it('requires the admin token when one is set', async () => {
    const { get, send } = await createTestEmulator(['--admin-token', 'very-secret']);
    expect(await get(LEDGER)).toMatchObject({ status: 401, body: { code: 'ADMIN_TOKEN_REQUIRED' } });
    const status = async (headers: object) => (await send('GET', LEDGER, { key: null, headers })).status;
    expect(await status({ 'x-admin-token': 'wrong-token' })).toBe(401);
    expect(await status({ 'x-admin-token': 'very-secret-and-more' })).toBe(401);
    expect(await status({ 'x-admin-token': 'very-secret' })).toBe(200);
    expect(await status({ authorization: 'Bearer very-secret' })).toBe(200);
    expect(await status({ authorization: 'Bearer np_test_default' })).toBe(401);
  });

  // id: control-plane-local-only
  it('accepts only callers on this machine unless --admin-remote is on', async () => {
    const statusFrom = async (remoteAddress: string, flags: string[] = []) => {
      const { app } = await createTestEmulator(flags);
      return (await app.inject({ method: 'GET', url: LEDGER, remoteAddress })).statusCode;
    };
    expect(await statusFrom('127.0.0.1')).toBe(200);
    expect(await statusFrom('::1')).toBe(200);
    expect(await statusFrom('::ffff:127.0.0.1')).toBe(200);
    expect(await statusFrom('10.0.0.5')).toBe(403);
    expect(await statusFrom('10.127.0.1')).toBe(403);
    expect(await statusFrom('10.0.0.5', ['--admin-remote', 'on'])).toBe(200);
  });

  // id: remote-token-required
  it('requires the printed token from callers on other machines, but not from those on this machine', async () => {
    const remoteToken = 'a-token-that-was-printed';
    const { app } = await createTestEmulator([], undefined, undefined, { remoteToken });
    const statusOf = async (remoteAddress: string, headers: Record<string, string> = {}) =>
      (await app.inject({ method: 'GET', url: LEDGER, remoteAddress, headers })).statusCode;
    const sent = { 'x-admin-token': remoteToken };
    expect(await statusOf('10.0.0.5', sent)).toBe(200);
    expect(await statusOf('10.0.0.5', { authorization: `Bearer ${remoteToken}`, host: 'emulator.example.org' })).toBe(
      200,
    );
    expect(await statusOf('10.0.0.5')).toBe(401);
    expect(await statusOf('10.0.0.5', { host: 'localhost' })).toBe(401);
    expect(await statusOf('10.0.0.5', { 'x-admin-token': `${remoteToken}x` })).toBe(401);
    expect(await statusOf('10.0.0.5', { ...sent, host: 'a.test', origin: 'http://evil.test' })).toBe(403);
    expect(await statusOf('127.0.0.1')).toBe(200);
    expect(await statusOf('127.0.0.1', { host: 'evil.test' })).toBe(403);
    expect(await statusOf('127.0.0.1', { ...sent, host: 'emulator.example.org' })).toBe(200);
  });

  it('rejects foreign origins and host names that DNS rebinding could use', async () => {
    const status = async (headers: object, flags: string[] = []) =>
      (await (await createTestEmulator(flags)).send('GET', LEDGER, { key: null, headers })).status;
    for (const host of ['localhost:6266', '127.0.0.1:6266', '[::1]:6266', 'emulator.localhost']) {
      expect(await status({ host })).toBe(200);
      expect(await status({ host, origin: `http://${host}` })).toBe(200);
      expect(await status({ host, origin: 'http://evil.test' })).toBe(403);
      expect(await status({ host, origin: 'null' })).toBe(403);
    }
    const names = ['evil.test', 'localhost.evil.test', 'emulator:6266', 'nanophoto.ai', '127.0.0.1.evil.test'];
    for (const host of names) expect([host, await status({ host })]).toEqual([host, 403]);
    const remote = ['--admin-remote', 'on'];
    expect(await status({ host: 'emulator:6266', origin: 'http://evil.test' }, remote)).toBe(403);
    const token = { host: 'emulator.example.org', 'x-admin-token': 'very-secret' };
    expect(await status(token, ['--admin-token', 'very-secret'])).toBe(200);
  });

  // id: private-names-allowed-when-remote
  it.each([
    ...['emulator:6266', 'nanophoto-emulator', 'host.docker.internal:6266', '192.168.7.5:6266', '[fe80::1]:6266'],
    ...['localhost', 'LOCALHOST:1', 'a.localhost', '0.0.0.0:6266'],
  ])('accepts the host %s with --admin-remote', async (host) => {
    const { get, app } = await createTestEmulator(['--admin-remote', 'on']);
    const response = await app.inject({ url: LEDGER, headers: { host }, remoteAddress: '10.0.0.5' });
    expect(response.statusCode).toBe(200);
    expect((await get('/health')).status).toBe(200);
  });

  // id: foreign-host-403
  it.each([
    ...['evil.test', 'evil.test:6266', 'emulator.evil.test', 'nanophoto.ai', 'internal.evil.test'],
    ...['1.2.3.4.evil.test', 'xinternal.test', 'emulator..', 'emulator.', 'a b'],
  ])('rejects the host "%s" with --admin-remote and says what to do', async (host) => {
    const { app } = await createTestEmulator(['--admin-remote', 'on']);
    const response = await app.inject({ url: LEDGER, headers: { host }, remoteAddress: '10.0.0.5' });
    expect([response.statusCode, response.json()]).toEqual([
      403,
      {
        error:
          `Host ${host.replace(/:\d+$/, '')} is not allowed (DNS rebinding protection): ` +
          'add it to --admin-hosts or set --admin-token.',
        code: 'FOREIGN_HOST',
      },
    ]);
  });

  // id: admin-hosts-allowed
  it('accepts the names of --admin-hosts with and without --admin-remote', async () => {
    for (const flags of [[], ['--admin-remote', 'on']]) {
      const { send } = await createTestEmulator(['--admin-hosts', 'emulator.example.org,ci', ...flags]);
      const status = async (host: string) => (await send('GET', LEDGER, { key: null, headers: { host } })).status;
      expect(await status('Emulator.example.org:6266')).toBe(200);
      expect(await status('ci')).toBe(200);
      expect(await status('example.org')).toBe(403);
      expect(await status('x.emulator.example.org')).toBe(403);
    }
  });

  // id: foreign-page-without-origin-403
  it.each(['cross-site', 'same-site'])(
    'rejects requests of foreign pages that have no Origin header (%s), with or without a token',
    async (site) => {
      for (const flags of [[], ['--admin-token', 'very-secret'], ['--admin-remote', 'on']]) {
        const { send } = await createTestEmulator(flags);
        const request = (headers: object) =>
          send('GET', LEDGER, { key: null, headers: { 'x-admin-token': 'very-secret', ...headers } });
        expect(await request({ 'sec-fetch-site': site })).toMatchObject({
          status: 403,
          body: { code: 'FOREIGN_PAGE' },
        });
        for (const fetchSite of ['same-origin', 'none']) {
          expect((await request({ 'sec-fetch-site': fetchSite })).status).toBe(200);
        }
      }
    },
  );

  // id: browser-writes-need-header
  it('accepts read requests of browsers, and others only with a header that forms cannot send', async () => {
    for (const flags of [[], ['--admin-token', 'very-secret'], ['--admin-remote', 'on']]) {
      const { send } = await createTestEmulator(flags);
      const request = (method: string, path: string, headers: object) =>
        send(method, path, {
          key: null,
          headers: { host: '127.0.0.1:6266', 'x-admin-token': 'very-secret', ...headers },
        });
      const account = '/__admin/accounts/np_test_default';
      const browserHeaders = [
        { origin: 'http://127.0.0.1:6266' },
        { 'sec-fetch-site': 'same-origin' },
        { origin: 'http://127.0.0.1:6266', 'sec-fetch-site': 'same-origin' },
        { 'sec-fetch-site': 'none' },
      ];
      for (const headers of browserHeaders) {
        for (const method of ['GET', 'HEAD']) expect((await request(method, account, headers)).status).toBe(200);
        for (const [method, path] of [
          ['POST', `${account}/reset`],
          ['DELETE', `${account}/faults`],
          ['PUT', `${account}/clock`],
          ['PATCH', account],
          ['OPTIONS', account],
          ['POST', '/__admin/nowhere'],
        ] as const) {
          expect(await request(method, path, headers)).toMatchObject({
            status: 403,
            body: {
              error:
                'Web pages must send the header x-emulator-console with every request except GET (CSRF protection).',
              code: 'FOREIGN_PAGE',
            },
          });
        }
        for (const value of ['1', 'anything', '']) {
          const withConsoleHeader = { ...headers, 'x-emulator-console': value };
          expect((await request('POST', `${account}/reset`, withConsoleHeader)).status).toBe(200);
        }
      }
      // Programs send neither Origin nor Sec-Fetch-Site.
      for (const headers of [{}, { 'sec-fetch-mode': 'cors', 'user-agent': 'node' }]) {
        expect((await request('POST', `${account}/reset`, headers)).status).toBe(200);
      }
      // The header does not help foreign pages.
      for (const foreign of [{ origin: 'http://evil.test' }, { 'sec-fetch-site': 'cross-site' }]) {
        const response = await request('POST', `${account}/reset`, { ...foreign, 'x-emulator-console': '1' });
        expect(response).toMatchObject({ status: 403, body: { code: 'FOREIGN_PAGE' } });
      }
    }
  });

  it.each(['{bad', '[]', '5', `"${'x'.repeat(2 * 1024 * 1024)}"`])(
    'responds to unusable bodies in its own error format (case %#)',
    async (body) => {
      const { send } = await createTestEmulator();
      const headers = { 'content-type': 'application/json' };
      const response = await send('POST', '/__admin/accounts', { key: null, body, headers });
      expect(response.status).toBe(body.length > 10 ? 413 : 400);
      expect(response.body).toEqual({
        error: expect.stringMatching(/^[A-Z].*\.$/),
        code: expect.any(String),
      });
    },
  );
});
