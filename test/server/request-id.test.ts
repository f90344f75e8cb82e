import { describe, expect, it } from 'vitest';
import { createRequestId, getRequestId } from '../../src/server/request-id.ts';
import { createTestEmulator, startLoggingEmulator } from '../support/emulator.ts';
import { exchange, openRawConnection, sendRawBytes } from '../support/raw-http.ts';
import { completeTask } from '../support/results.ts';

const GENERATE = '/api/sora-2/generate';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };
const TOPIC = { topic: 'A lighthouse in a storm', technique: 'match-cut', duration: 15 };
const GENERATED = /^[0-9a-f]{12}-\d+$/;

describe('request ids', () => {
  it('are those that the client sent, if they are visible ASCII of at most 128 characters', () => {
    for (const id of ['a', 'x'.repeat(128), '!"#$%&\'()*+,-./:;<=>?@[]^_`{|}~'])
      expect(getRequestId({ headers: { 'x-request-id': id } })).toBe(id);
    // Node joins repeated headers with a comma and a space.
    for (const id of [
      '',
      'x'.repeat(129),
      'a b',
      'a, b',
      'a\tb',
      'a\n',
      'a\r\nset-cookie: b',
      'é',
      '\u0000',
      undefined,
    ])
      expect(getRequestId({ headers: { 'x-request-id': id } }), `${id}`).toMatch(GENERATED);
  });

  it('are unique when they are generated', () => {
    const ids = Array.from({ length: 1000 }, createRequestId);
    expect(new Set(ids).size).toBe(1000);
  });

  it('are in every response', async () => {
    const emulator = await createTestEmulator(['--cors', 'on']);
    const { send, createAccount, core } = emulator;
    const { videoUrl } = await completeTask(emulator as never, 'sora-2');
    createAccount('np_limited', { rateLimit: 1 });
    const { id: faultyId } = createAccount('np_faulty');
    for (const effect of [{ answer: { status: 418, text: 'tea' } }, { errorCode: 'INTERNAL_ERROR' }])
      core.faults.add(faultyId, { match: {}, at: 'accepted', times: 2, effect });
    const calls: [method: string, path: string, options?: Parameters<typeof send>[2]][] = [
      ['POST', GENERATE, { body: VALID }],
      ['POST', GENERATE, { body: {} }],
      ['POST', GENERATE, { body: '{' }],
      ['POST', GENERATE, { key: 'unknown', body: VALID }],
      ['POST', GENERATE, { key: 'np_limited', body: VALID }],
      ['POST', GENERATE, { key: 'np_limited', body: VALID }],
      ...Array.from(
        { length: 2 },
        () => ['POST', GENERATE, { key: 'np_faulty', body: VALID }] as [string, string, object],
      ),
      ['POST', '/api/sora-2/generate-prompt', { key: 'np_test_auto', body: TOPIC }],
      ['GET', GENERATE],
      ['OPTIONS', GENERATE, { key: null }],
      ['GET', '/nowhere'],
      ['GET', '/%zz'],
      ['GET', '/', { key: null, headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' } }],
      ['GET', new URL(videoUrl).pathname, { key: null }],
      ['GET', '/media/sora/unknown.mp4', { key: null }],
      ...['/openapi.json', '/docs', '/console', '/health', '/ready', '/metrics', '/ca.pem'].map(
        (path) => ['GET', path] as [string, string],
      ),
      ['GET', '/__admin/accounts', { key: null }],
      ['GET', '/__admin/%zz', { key: null }],
      ['POST', '/__admin/accounts', { key: null, body: { nonsense: 1 } }],
      ['DELETE', '/__admin/faults', { key: null }],
    ];
    const ids = [];
    for (const [method, path, options] of calls) {
      const { headers } = await send(method, path, options);
      expect(headers['x-request-id'], `${method} ${path}`).toMatch(GENERATED);
      ids.push(headers['x-request-id']);
      const sent = { ...options?.headers, 'x-request-id': 'mine' };
      const echoed = await send(method, path, { ...options, headers: sent });
      expect(echoed.headers['x-request-id'], `${method} ${path}`).toBe('mine');
    }
    expect(new Set(ids).size).toBe(calls.length);
  });

  it.each([
    ['a malformed request', 'nonsense\r\n\r\n', 400],
    ['headers over the limit', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['an unknown expectation', 'GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n', 417],
    ['a request without Host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['a CONNECT to another host', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n', 403],
    ['a request to another host', 'GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n', 403],
  ])('are in the response to %s', async (_title, request, status) => {
    const { port } = await startLoggingEmulator();
    const [response] = await exchange(port, request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    expect(response).toMatchObject({ status, headers: { 'x-request-id': expect.stringMatching(GENERATED) } });
  });

  it('are those that the client sent, in responses to requests that Fastify does not handle', async () => {
    const { port, lines } = await startLoggingEmulator();
    const headers = 'Host: x\r\nX-Request-Id: mine\r\nConnection: close\r\n';
    for (const head of ['GET / HTTP/1.1\r\nExpect: tea\r\n', 'CONNECT example.com:443 HTTP/1.1\r\n']) {
      const [response] = await exchange(port, `${head}${headers}\r\n`);
      expect(response!.headers['x-request-id']).toBe('mine');
    }
    expect(lines).toMatchObject([{ msg: 'refused', requestId: 'mine' }]);
  });

  it('are in a truncated response', async () => {
    const { port, core } = await startLoggingEmulator();
    core.faults.add(null, { match: {}, at: 'request', effect: { truncateAfter: 5 } });
    const body = JSON.stringify(VALID);
    const head = `POST ${GENERATE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer np_test_default\r\n`;
    const { bytes } = await sendRawBytes(
      port,
      `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(bytes.toString()).toMatch(
      /^HTTP\/1\.1 200 [\s\S]*\r\nx-request-id: [0-9a-f]{12}-\d+\r\n[\s\S]*\r\n\r\n\{"suc$/,
    );
  });

  it.each([
    ['connection over the limit', ['--connection-limit', '1'], 503],
    ['request that times out', ['--request-timeout-seconds', '1'], 408],
  ])('are generated for each %s', async (_title, flags, status) => {
    const { port } = await startLoggingEmulator(flags);
    const idle = status === 503 ? await openRawConnection(port) : undefined;
    const [[one], [other]] = await Promise.all([
      exchange(port, 'GET / HTTP/1.1\r\n'),
      exchange(port, 'GET / HTTP/1.1\r\n'),
    ]);
    idle?.socket.destroy();
    expect([one!.status, other!.status]).toEqual([status, status]);
    for (const { headers } of [one!, other!]) expect(headers['x-request-id']).toMatch(GENERATED);
    expect(one!.headers['x-request-id']).not.toBe(other!.headers['x-request-id']);
  });

  it('are the same in the response, the journal and the log', async () => {
    const { send, get, lines } = await startLoggingEmulator();
    const responses = [
      await send('POST', GENERATE, { body: VALID }),
      await send('POST', GENERATE, { body: VALID, headers: { 'x-request-id': 'mine' } }),
      await send('POST', GENERATE, { body: VALID, headers: { 'x-request-id': 'not mine' } }),
    ];
    const ids = responses.map(({ headers }) => headers['x-request-id']);
    expect(ids).toEqual([expect.stringMatching(GENERATED), 'mine', expect.stringMatching(GENERATED)]);
    expect(lines.map(({ requestId }) => requestId)).toEqual(ids);
    const path = '/__admin/accounts/np_test_default/requests';
    const { requests } = (await get(path)).body;
    expect(requests.map(({ requestId }: { requestId: string }) => requestId)).toEqual(ids);
    expect((await get(`${path}?requestId=mine`)).body.requests).toMatchObject([{ id: '2' }]);
    expect((await get(`${path}/count?requestId=${ids[2]}`)).body).toEqual({ count: 1 });
    expect((await get(`${path}/wait?requestId=${ids[0]}&timeoutMs=0`)).body).toMatchObject({ id: '1' });
    expect((await get(`${path}/count?requestId=unknown`)).body).toEqual({ count: 0 });
  });

  it('name the log line of an unexpected error', async () => {
    const { send, core, lines } = await startLoggingEmulator();
    core.tasks.submit = () => {
      throw new Error('a bug');
    };
    const { headers } = await send('POST', GENERATE, { body: VALID });
    const id = headers['x-request-id'];
    expect(lines).toMatchObject([
      { msg: 'request failed', requestId: id },
      { msg: 'request', requestId: id, status: 500 },
    ]);
  });

  // id: request-id-redacted
  it('that contain the key of the client are redacted in the journal and in the log, but not in the response', async () => {
    const { send, get, createAccount, core, lines } = await startLoggingEmulator();
    const key = 'sk_secret_01234567890';
    const { id: accountId } = createAccount(key);
    core.faults.add(accountId, { match: { contains: 'kitten' }, at: 'request', effect: { fail: true } });
    const headers = { 'x-request-id': `run-${key}-${Buffer.from(key).toString('base64')}` };
    for (const body of [VALID, '{']) {
      const response = await send('POST', GENERATE, { key, body, headers });
      expect(response.headers['x-request-id']).toBe(headers['x-request-id']);
    }
    const { body } = await get(`/__admin/accounts/${key}/requests`);
    expect(body.requests.map(({ requestId }: { requestId: string }) => requestId)).toEqual(
      Array(2).fill('run-[key]-[key]'),
    );
    const fault = (await get(`/__admin/accounts/${key}/faults/${core.faults.list(accountId)[0]!.id}`)).body;
    expect(fault.nearMisses).toMatchObject([{ requestId: 'run-[key]-[key]' }]);
    expect(lines.slice(0, 2)).toMatchObject([{ requestId: 'run-sk_s…-sk_s…' }, { requestId: 'run-sk_s…-sk_s…' }]);
  });
});
