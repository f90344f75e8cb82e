import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHarEntry } from '../../src/control-plane/files/har.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { expectValidHar } from '../support/har.ts';

const KEY = 'np_archived';
const GENERATE = '/api/sora-2/generate';
const VIDEO = { prompt: 'a dog', mode: 'textToVideo' };

async function createArchivedEmulator(flags: string[] = []) {
  const emulator = await createTestEmulator(flags);
  // An account clock far from the wall time of 2026-01-15T12:00:00.000Z.
  emulator.createAccount(KEY, { clock: { mode: 'frozen', nowMs: Date.UTC(2030, 0, 1) }, rateLimit: null });
  const getHar = (query = '') => emulator.get(`/__admin/accounts/${KEY}/requests?format=har${query}`);
  return { ...emulator, getHar };
}

const buildEntry = (overrides: object = {}): Parameters<typeof toHarEntry>[0] => ({
  ...{
    id: '1',
    requestId: 'r-1',
    at: '2030-01-01T00:00:00.000Z',
    method: 'POST',
    path: GENERATE,
    status: 200,
    errorCode: null,
  },
  durationMs: 1.5,
  request: { headers: {}, body: null },
  response: { headers: {}, body: null },
  ...{ taskIds: [], fault: null, warnings: [] },
  ...overrides,
});

describe('the journal as HAR', () => {
  // id: har-has-no-credentials
  it('is a valid document with the requests, their responses and no credentials', async () => {
    const { send, getHar } = await createArchivedEmulator();
    const headers = { host: '127.0.0.1:4711', 'x-mine': `${KEY}!`, cookie: 'session=1' };
    await send('POST', GENERATE, { key: KEY, body: { ...VIDEO, extra: KEY }, headers });
    await send('POST', GENERATE, { key: KEY, body: '{"prompt' });
    await send('GET', '/api/sora-2/nothing?token=1', { key: KEY });
    const { status, headers: responseHeaders, body, text } = await getHar();
    expect([status, responseHeaders['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    expectValidHar(body);
    expect(text).not.toContain(KEY);
    expect(text).not.toContain('session');
    expect(text).not.toContain('token=1');
    const { log } = body;
    expect(log).toMatchObject({ version: '1.2', creator: { name: 'nanophoto-emulator', version: expect.any(String) } });
    expect(log.entries).toHaveLength(3);
    const [first, second, third] = log.entries;
    expect(first).toMatchObject({
      startedDateTime: '2026-01-15T12:00:00.000Z',
      time: expect.any(Number),
      request: {
        ...{ method: 'POST', url: `http://127.0.0.1:4711${GENERATE}`, httpVersion: 'HTTP/1.1' },
        postData: { mimeType: 'application/json', text: JSON.stringify({ ...VIDEO, extra: '[key]' }) },
      },
      response: { status: 200, statusText: 'OK', content: { mimeType: 'application/json; charset=utf-8' } },
      comment: "Request 1, at 2030-01-01T00:00:00.000Z on the account's clock; undocumented field extra",
    });
    expect(first.request.headers).toContainEqual({ name: 'x-mine', value: '[key]!' });
    expect(first.timings.wait).toBe(first.time);
    const { content } = first.response;
    expect(JSON.parse(content.text)).toMatchObject({ status: 'processing' });
    expect(content.size).toBe(content.text.length);
    expect([second.request.postData.text, second.response.status]).toEqual(['{"prompt', 400]);
    expect([third.request.method, third.response.status]).toEqual(['GET', 404]);
    expect(third.request).not.toHaveProperty('postData');
  });

  it('has all requests that match the filters, or the first ones up to a limit', async () => {
    const { post, getHar } = await createArchivedEmulator(['--journal-entries', '2000']);
    for (let n = 0; n < 120; n++) await post(GENERATE, n % 2 === 0 ? {} : VIDEO, KEY);
    const count = async (query: string) => (await getHar(query)).body.log.entries.length;
    expect([await count(''), await count('&status=400'), await count('&after=100')]).toEqual([120, 60, 20]);
    expect([await count('&limit=110'), await count('&limit=5&after=118')]).toEqual([110, 2]);
    expect((await getHar('&status=418')).body.log.entries).toEqual([]);
    expectValidHar((await getHar('&status=418')).body);
    expect((await getHar('&status=x')).status).toBe(400);
  });

  it('counts the requests that it holds towards the memory budget', async () => {
    const { core, post, getHar } = await createArchivedEmulator();
    for (let n = 0; n < 20; n++) await post(GENERATE, VIDEO, KEY);
    const otherBytes = core.memory.maxBytesOf('responses') - 10_000;
    core.memory.add('bodies', otherBytes);
    expect(await getHar()).toMatchObject({ status: 503, body: { code: 'OUT_OF_MEMORY' } });
    expect((await getHar('&after=19')).body.log.entries).toHaveLength(1);
    core.memory.add('bodies', -otherBytes);
    expect((await getHar()).body.log.entries).toHaveLength(20);
    expect(core.memory.usedBytes.responses).toBe(0);
  });

  it('says which bodies are truncated', async () => {
    const { post, getHar } = await createArchivedEmulator();
    await post(GENERATE, { ...VIDEO, prompt: 'x'.repeat(20_000) }, KEY);
    const [entry] = (await getHar()).body.log.entries;
    expect(entry.request.postData.text).toHaveLength(16 * 1024);
    expect(entry.request.postData.comment).toBe('The journal only has the first 16 KB of this body.');
    expect(entry.response.content).not.toHaveProperty('comment');
  });

  it('says that result files are not part of it', async () => {
    const { post, send, getHar } = await createArchivedEmulator(['--clock', 'auto']);
    await send('PUT', `/__admin/accounts/${KEY}/clock`, { key: null, body: { mode: 'auto' } });
    const { taskId } = (await post(GENERATE, VIDEO, KEY)).body;
    await send('POST', `/__admin/accounts/${KEY}/tasks/${taskId}/complete`, { key: null });
    const { videoUrl } = (await post('/api/sora-2/check-status', { taskId }, KEY)).body;
    await send('GET', new URL(videoUrl).pathname, { key: null });
    const { body } = await getHar(`&path=${new URL(videoUrl).pathname}`);
    expect(body.log.entries[0].response).toMatchObject({
      status: 200,
      content: { size: 0, mimeType: 'video/mp4', comment: 'The journal does not contain result files.' },
    });
  });
});

describe('an entry of a HAR document', () => {
  it('has the status 0 without a response', () => {
    const entry = toHarEntry(buildEntry({ status: null, durationMs: null, fault: '1' }), 0);
    expect(entry).toMatchObject({ time: 0, response: { status: 0, statusText: '' } });
    expect(entry.comment).toBe("Request 1, at 2030-01-01T00:00:00.000Z on the account's clock; fault: 1");
  });

  it.each([
    ['127.0.0.1:6266', GENERATE, `http://127.0.0.1:6266${GENERATE}`],
    ['[::1]:6266', GENERATE, `http://[::1]:6266${GENERATE}`],
    ['nanophoto.ai', GENERATE, `https://nanophoto.ai${GENERATE}`],
    [undefined, '/a', 'https://localhost/a'],
    ['a b', '/a', 'https://localhost/a'],
    ['x:1', '//evil.test/[key]/%41%zz|é', 'http://x:1//evil.test/%5Bkey%5D/%41%25zz%7C%C3%A9'],
    // From an opened file; the last two are word characters for a regular expression that ignores the case of Unicode.
    ['x:1', '/🎂\ud800/\udc00ſ\u212a', 'http://x:1/%F0%9F%8E%82%EF%BF%BD/%EF%BF%BD%C5%BF%E2%84%AA'],
  ])('has a URL from the Host %j and the path %j', (host, path, url) => {
    const request = { headers: host === undefined ? {} : { host }, body: null };
    expect(toHarEntry(buildEntry({ path, request }), 0).request.url).toBe(url);
  });

  it('has an element for each value of a header', () => {
    const response = { headers: { 'x-ratelimit-limit': 100 }, body: null };
    const entry = toHarEntry(buildEntry({ request: { headers: { a: ['1', '2'] }, body: null }, response }), 0);
    expect(entry.request.headers).toEqual([
      { name: 'a', value: '1' },
      { name: 'a', value: '2' },
    ]);
    expect(entry.response.headers).toEqual([{ name: 'x-ratelimit-limit', value: '100' }]);
  });

  it('is valid whatever the client sends', () => {
    const latin1 = fc.string({ unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)) });
    const utf16 = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) });
    const body = fc.oneof(fc.jsonValue(), fc.string());
    const headers = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.array(fc.string())));
    const entries = fc.record({
      host: latin1,
      path: fc.oneof(latin1, utf16),
      headers,
      body,
      status: fc.constantFrom(null, 200, 599),
    });
    fc.assert(
      fc.property(entries, ({ host, path, headers, body, status }) => {
        const request = { headers: { ...headers, host }, body };
        const entry = buildEntry({ path: `/${path}`, request, response: { headers: {}, body }, status });
        expectValidHar({
          log: { version: '1.2', creator: { name: 'a', version: '1' }, entries: [toHarEntry(entry, 0)] },
        });
      }),
      { numRuns: 300 },
    );
  });
});
