import { connect } from 'node:net';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Rule } from '../../../src/core/faults/fault-rules.ts';
import { createTestEmulator, type TestEmulator, useTestEmulator } from '../../support/emulator.ts';
import { sendRawBytes, sendRawForJson } from '../../support/raw-http.ts';
import { completeTask, fetchFile, ORDERS } from '../../support/results.ts';

const NOT_FOUND = { success: false, error: 'Not found', errorCode: 'NOT_FOUND' };
const KEY = 'np_test_unlimited';

/** An emulator of its own with a video, for a test that changes one of them. */
const withVideo = async () => createVideo(await createTestEmulator());

/** A video that all tests of the suite read, because the start of an emulator takes longer than a test. */
function useVideo() {
  const { emulator } = useTestEmulator();
  let video: Awaited<ReturnType<typeof createVideo>>;
  let port: string;
  beforeAll(async () => {
    video = await createVideo(emulator());
    ({ port } = new URL(await emulator().app.listen({ port: 0, host: '127.0.0.1' })));
  });
  return { video: () => video, port: () => port };
}

async function createVideo(emulator: TestEmulator) {
  const { videoUrl, taskId } = await completeTask(emulator, 'sora-2');
  // The account's clock was ahead of the system clock.
  emulator.clock.advance(3_600_000);
  const get = (headers?: Record<string, string>, url: string = videoUrl) => fetchFile(emulator, url, headers);
  return { ...emulator, emulator, videoUrl, taskId, path: new URL(videoUrl).pathname, fetch: get };
}

const jsonOf = ({ bytes }: { bytes: Buffer }) => JSON.parse(bytes.toString());

describe('result files', () => {
  const { video, port } = useVideo();

  it('are served without a key, with their metadata', async () => {
    const { fetch } = video();
    const { status, headers, bytes } = await fetch();
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'video/mp4',
      'content-length': String(bytes.length),
      'accept-ranges': 'bytes',
      'cache-control': 'no-cache',
      etag: expect.stringMatching(/^"[\w-]+"$/),
      'last-modified': expect.stringMatching(/ GMT$/),
    });
    expect(headers).not.toHaveProperty('content-disposition');
    expect(headers).not.toHaveProperty('x-ratelimit-limit');
    expect(bytes.length).toBeGreaterThan(10_000);
  });

  it('have the same headers for HEAD, without a body', async () => {
    const { emulator, fetch, videoUrl } = video();
    const { headers } = await fetch();
    const head = await fetchFile(emulator, videoUrl, { range: 'bytes=0-9' }, 'HEAD');
    expect(head.status).toBe(200);
    expect(head.bytes).toHaveLength(0);
    const { date: _date, 'x-request-id': _id, ...rest } = headers;
    expect(head.headers).toMatchObject(rest);
  });

  it.each([
    ['bytes=0-99', 0, 99],
    ['bytes=100-100', 100, 100],
    ['bytes=100-', 100, -1],
    ['bytes=-100', -100, -1],
    ['bytes=0-99999999', 0, -1],
    ['bytes=-99999999', 0, -1],
    ['Bytes= 5-9 ', 5, 9],
  ])('are served in byte ranges: %s', async (range, first, last) => {
    const { fetch } = video();
    const { bytes: whole } = await fetch();
    const { status, headers, bytes } = await fetch({ range });
    const [start, end] = [first, last].map((place) => (place < 0 ? whole.length + place : place)) as [number, number];
    expect(status).toBe(206);
    expect(headers).toMatchObject({
      'content-range': `bytes ${start}-${end}/${whole.length}`,
      'content-length': String(end - start + 1),
      'content-type': 'video/mp4',
    });
    expect(bytes.equals(whole.subarray(start, end + 1))).toBe(true);
  });

  it.each([
    'bytes=',
    'bytes=a-b',
    'bytes=5-1',
    'items=0-9',
    'bytes=0-9,100-109',
    'bytes=0-9,10-19',
    'bytes=-',
    'bytes 0-9',
    'bytes=1.5-2',
    'bytes=0x1-',
    '',
  ])('are sent whole when the range is malformed or multiple: "%s"', async (range) => {
    const { fetch } = video();
    const [whole, answer] = [await fetch(), await fetch({ range })];
    expect(answer.status).toBe(200);
    expect(answer.bytes.equals(whole.bytes)).toBe(true);
  });

  it.each(['bytes=99999999-', 'bytes=99999998-99999999', 'bytes=-0'])(
    'are 416 for %s, with their size',
    async (range) => {
      const { fetch } = video();
      const { length } = (await fetch()).bytes;
      const answer = await fetch({ range });
      expect(answer.status).toBe(416);
      expect(answer.headers).toMatchObject({
        'content-range': `bytes */${length}`,
        'content-type': 'application/json; charset=utf-8',
        'access-control-allow-origin': '*',
      });
      expect(answer.headers).not.toHaveProperty('etag');
      expect(jsonOf(answer)).toEqual({
        success: false,
        error: expect.any(String),
        errorCode: 'INVALID_INPUT',
      });
    },
  );

  it('end with their last byte for open ranges', async () => {
    const { fetch } = video();
    const { length } = (await fetch()).bytes;
    expect((await fetch({ range: `bytes=${length}-` })).status).toBe(416);
    expect((await fetch({ range: `bytes=${length - 1}-` })).bytes).toHaveLength(1);
  });

  it('contain the id of their task in every byte range', async () => {
    const { fetch, taskId } = video();
    const { bytes: whole } = await fetch();
    const at = whole.indexOf(taskId);
    for (const [start, end] of [
      [at - 5, at + 4],
      [at + 10, at + 60],
      [at + 5, at + 9],
      [at - 1, at + 29],
      [0, at - 1],
      [at + 29, at + 40],
    ] as const) {
      expect((await fetch({ range: `bytes=${start}-${end}` })).bytes.equals(whole.subarray(start, end + 1))).toBe(true);
    }
  });

  it('are cut correctly for random ranges', async () => {
    const { fetch } = video();
    const { bytes: whole } = await fetch();
    const number = fc.oneof(fc.integer({ min: 0, max: whole.length + 10 }), fc.constant(''), fc.bigInt({ min: 0n }));
    const range = fc.tuple(number, number).map(([from, to]) => `bytes=${from}-${to}`);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          range,
          fc.string().map((text) => `bytes=${text.replace(/[^ -~]/g, '')}`),
        ),
        async (range) => {
          const { status, headers, bytes } = await fetch({ range });
          if (status === 416) {
            expect(headers['content-range']).toBe(`bytes */${whole.length}`);
            return;
          }
          if (status === 200) {
            expect(bytes.equals(whole)).toBe(true);
            return;
          }
          const [, start, end, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(String(headers['content-range']))!.map(Number);
          expect([status, size]).toEqual([206, whole.length]);
          expect(bytes.equals(whole.subarray(start, end! + 1))).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('are 304 for clients with a current copy', async () => {
    const { fetch } = video();
    const { headers } = await fetch();
    const etag = String(headers.etag);
    const lastModified = String(headers['last-modified']);
    for (const condition of [
      { 'if-none-match': etag },
      { 'if-none-match': `"other", W/${etag}` },
      { 'if-none-match': '*' },
      { 'if-modified-since': lastModified },
    ]) {
      const { status, bytes, headers } = await fetch(condition);
      expect([condition, status, bytes.length]).toEqual([condition, 304, 0]);
      expect(headers.etag).toBe(etag);
      expect(headers).not.toHaveProperty('content-type');
    }
    for (const condition of [
      { 'if-none-match': '"other"' },
      { 'if-none-match': '"other"', 'if-modified-since': lastModified },
      { 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' },
    ]) {
      expect([condition, (await fetch(condition)).status]).toEqual([condition, 200]);
    }
  });

  it('are 412 when a precondition fails', async () => {
    const { fetch } = video();
    const { headers } = await fetch();
    const etag = String(headers.etag);
    const statusFor = async (condition: Record<string, string>) => (await fetch(condition)).status;
    expect(await statusFor({ 'if-match': '"other"' })).toBe(412);
    expect(await statusFor({ 'if-match': `W/${etag}` })).toBe(412);
    expect(await statusFor({ 'if-match': `"other", ${etag}` })).toBe(200);
    expect(await statusFor({ 'if-match': '*' })).toBe(200);
    expect(await statusFor({ 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' })).toBe(412);
    expect(await statusFor({ 'if-unmodified-since': String(headers['last-modified']) })).toBe(200);
    for (const date of ['no date', '1', '9999', '1970-01-01T00:00:00Z']) {
      expect(await statusFor({ 'if-unmodified-since': date })).toBe(200);
      expect(await statusFor({ 'if-modified-since': date })).toBe(200);
    }
    const old = 'Thu, 01 Jan 1970 00:00:00 GMT';
    expect(await statusFor({ 'if-match': etag, 'if-unmodified-since': old })).toBe(200);
  });

  it('are sent whole when If-Range does not match', async () => {
    const { fetch } = video();
    const { headers } = await fetch();
    const statusFor = async (ifRange: string) => (await fetch({ range: 'bytes=5-', 'if-range': ifRange })).status;
    expect(await statusFor(String(headers.etag))).toBe(206);
    expect(await statusFor(String(headers['last-modified']))).toBe(206);
    expect(await statusFor('"other"')).toBe(200);
    expect(await statusFor(`W/${headers.etag}`)).toBe(200);
    expect(await statusFor('Thu, 01 Jan 1970 00:00:00 GMT')).toBe(200);
  });

  it('have another ETag after a reset that changed their content', async () => {
    const { emulator, fetch, core, account, path } = await withVideo();
    const before = await fetch();
    core.resets.reset(account(KEY).id);
    expect((await fetch()).status).toBe(404);
    const { videoUrl } = await completeTask(emulator, 'sora-2', { aspectRatio: 'landscape' });
    // The same key and the same sequence number give the same name.
    expect(new URL(videoUrl).pathname).toBe(path);
    const after = await fetch({ 'if-none-match': String(before.headers.etag) });
    expect(after.status).toBe(200);
    expect(after.bytes.equals(before.bytes)).toBe(false);
  });

  it.each([
    ['?download', /^attachment; filename="task_\w{24}\.mp4"$/],
    ['?download=cat.mp4', /^attachment; filename="cat\.mp4"$/],
    ['?download=%E7%8C%AB.mp4', /^attachment; filename="\?\.mp4"; filename\*=UTF-8''%E7%8C%AB\.mp4$/],
    ['?download=a%0D%0AX-Evil:%201', /^attachment; filename/],
    ['?download=../../etc/passwd', /^attachment; filename="?passwd"?$/],
    ['?download=a&download=b', /^attachment; filename="?a"?$/],
    ['?download=/', /^attachment; filename="task_\w{24}\.mp4"$/],
    ['?download=..', /^attachment; filename="task_\w{24}\.mp4"$/],
    ['?download=%20', /^attachment; filename="task_\w{24}\.mp4"$/],
  ])('are sent as attachments for %s', async (query, expected) => {
    const { fetch, videoUrl } = video();
    const { status, headers } = await fetch({}, videoUrl + query);
    expect(status).toBe(200);
    expect(headers['content-disposition']).toMatch(expected);
    expect(headers).not.toHaveProperty('x-evil');
  });

  it.each([['x'.repeat(5000)], [`${'a'.repeat(199)}😀b`], ['😀'.repeat(300)]])(
    'are attachments with a truncated name if it is too long',
    async (name) => {
      const { fetch, videoUrl } = video();
      const { status, headers } = await fetch({}, `${videoUrl}?download=${encodeURIComponent(name)}`);
      const [, encoded] = /(?:filename\*=UTF-8''|filename=")([^"]+)"?$/.exec(String(headers['content-disposition']))!;
      expect([status, decodeURIComponent(encoded!)]).toEqual([200, Array.from(name).slice(0, 200).join('')]);
    },
  );

  it('have no Last-Modified in the future', async () => {
    const emulator = await createTestEmulator();
    const { videoUrl } = await completeTask(emulator, 'sora-2', {}, 'np_test_auto');
    const { status, headers } = await fetchFile(emulator, videoUrl, {
      'if-modified-since': 'Thu, 01 Jan 2099 00:00:00 GMT',
    });
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty('last-modified');
  });

  it('are 304 without Content-Length', async () => {
    for (const method of ['GET', 'HEAD']) {
      const request = `${method} ${video().path} HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\nConnection: close\r\n\r\n`;
      const head = (await sendRawBytes(port(), request)).bytes.toString();
      expect(head).toMatch(/^HTTP\/1\.1 304 /);
      expect(head).not.toMatch(/content-length/i);
    }
  });

  it('are readable by pages of other origins', async () => {
    const { app, fetch, path } = video();
    const { headers } = await fetch({ origin: 'https://app.example' });
    expect(headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-expose-headers': '*',
      'cross-origin-resource-policy': 'cross-origin',
    });
    const preflight = await app.inject({
      method: 'OPTIONS',
      url: path,
      headers: { origin: 'https://app.example', 'access-control-request-method': 'GET' },
    });
    expect(preflight.statusCode).toBe(204);
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, HEAD, OPTIONS',
    });
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('are 405 for %s', async (method) => {
    const { send, path } = video();
    const answer = await send(method, path, {
      key: null,
      body: '{"no json',
      headers: { 'content-type': 'text/x' },
    });
    expect(answer).toMatchObject({ status: 405, body: { success: false, errorCode: 'METHOD_NOT_ALLOWED' } });
    expect(answer.headers.allow).toBe('GET, HEAD, OPTIONS');
  });

  it('neither count towards the rate limit nor cost credits', async () => {
    const emulator = await createTestEmulator();
    const { videoUrl } = await completeTask(emulator, 'sora-2', {}, 'np_test_limited');
    const before = emulator.account('np_test_limited');
    for (let n = 0; n < 10; n++) expect((await fetchFile(emulator, videoUrl)).status).toBe(200);
    expect(emulator.account('np_test_limited')).toEqual(before);
    const { status } = await emulator.post('/api/sora-2/check-status', { taskId: 'x' }, 'np_test_limited');
    expect(status).toBe(404);
  });
});

describe('missing result files', () => {
  const { video, port } = useVideo();

  it.each(Object.entries(ORDERS))('are 404 for a %s task that is in progress or has failed', async (_family, order) => {
    const emulator = await createTestEmulator();
    const { body } = await emulator.post(`${order.path}/generate`, order.body, 'np_test_frozen');
    const family = order.path.replace(/^\/api\/(seedance).*/, '/$1').replace('/api/', '/');
    const folder = family === '/sora-2' ? '/sora' : family;
    const paths = ['mp4', 'jpg'].map((extension) => `/media${folder}/${body.taskId}.${extension}`);
    const tellsAll = async () =>
      Promise.all(paths.map(async (path) => [(await emulator.get(path)).status, (await emulator.get(path)).body]));
    expect(await tellsAll()).toEqual([
      [404, NOT_FOUND],
      [404, NOT_FOUND],
    ]);
    const { id } = emulator.account('np_test_frozen');
    emulator.core.tasks.fail(id, body.taskId, 'GENERATION_FAILED');
    expect(await tellsAll()).toEqual([
      [404, NOT_FOUND],
      [404, NOT_FOUND],
    ]);
  });

  it.each([
    '/media/',
    '/media/sora/',
    '/media/sora/task_000000000000000000000000.mp4',
    '/media/nothing/task_000000000000000000000000.mp4',
    '/media/sora/TASK.jpg',
    '/media/sora/TASK',
    '/media/sora/TASK.mp4/',
    '/media/sora/TASK.mp4.mp4',
    '/media/sora//TASK.mp4',
    '/media//sora/TASK.mp4',
    '/media/veo/TASK.mp4',
    '/media/sora/x/TASK.mp4',
    '/media/SORA/TASK.mp4',
    '/media/sora/TASK.mp4%00',
    '/media/sora/%74ask_.mp4',
    '/media/sora/../sora/TASK.mp4',
    '/media/sora/./TASK.mp4',
    '/media/%2e%2e/%2e%2e/package.json',
    '/media/..%2f..%2fpackage.json',
    '/media/..%5c..%5cpackage.json',
    '/media/%252e%252e%252fpackage.json',
    '/media/sora/..;/..;/package.json',
    '/media/../package.json',
    '/media/../../../../../../etc/passwd',
    '/media/....//....//etc/passwd',
    '/media/%c0%ae%c0%ae/etc/passwd',
    '/media//etc/passwd',
    '/media/fixtures/videos/704x1280-10s.mp4',
    '/media/sora/704x1280-10s.mp4',
    '/media/sora/watermark-remover/00000000000000000000000000000000.mp4',
    `/media/sora/${'a'.repeat(5000)}.mp4`,
    '/media/sora/TASK.mp4#@emulator(fail)',
    '/media/%zz',
    '/media/%',
    '/media/constructor/__proto__.mp4',
  ])('are 404 for %s', async (path) => {
    // Sent raw, because HTTP libraries normalize paths.
    const answer = await sendRawForJson(
      Number(port()),
      `GET ${path.replace('TASK', video().taskId)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(answer.status).toBe(404);
    expect(answer.body).toEqual(NOT_FOUND);
  });

  it('are 404 for a deleted account', async () => {
    const { fetch, send } = await withVideo();
    expect((await send('DELETE', `/__admin/accounts/${KEY}`, { key: null })).status).toBe(204);
    expect((await fetch()).status).toBe(404);
  });

  it('are 404 for a task that only a snapshot still has', async () => {
    const emulator = await createTestEmulator();
    const { core, account } = emulator;
    const id = () => account(KEY).id;
    core.snapshots.take(id(), 'empty');
    const { videoUrl } = await completeTask(emulator, 'sora-2');
    core.snapshots.take(id(), 'kept');
    core.snapshots.restore(id(), 'empty');
    expect((await fetchFile(emulator, videoUrl)).status).toBe(404);
    core.snapshots.restore(id(), 'kept');
    expect((await fetchFile(emulator, videoUrl)).status).toBe(200);
  });

  it('are 404 for a watermark removal that only a snapshot still has', async () => {
    const { core, account, post, emulator } = await withVideo();
    const id = () => account('np_test_auto').id;
    core.snapshots.take(id(), 'empty');
    const share_link = 'https://sora.chatgpt.com/p/s_abc';
    const { url } = (await post('/api/sora/remove-watermark', { share_link }, 'np_test_auto')).body;
    core.snapshots.take(id(), 'kept');
    expect((await fetchFile(emulator, url)).status).toBe(200);
    core.snapshots.restore(id(), 'empty');
    expect((await fetchFile(emulator, url)).status).toBe(404);
  });

  it('do not include a file shared with a fork while one of the two accounts has it', async () => {
    const { fetch, send } = await withVideo();
    expect((await send('POST', `/__admin/accounts/${KEY}/fork`, { key: null, body: { to: 'fork' } })).status).toBe(201);
    await send('DELETE', `/__admin/accounts/${KEY}`, { key: null });
    expect((await fetch()).status).toBe(200);
  });

  it('have their reason in the log only', async () => {
    const { fetch, core, account, send, taskId } = await withVideo();
    core.resets.reset(account(KEY).id);
    expect(jsonOf(await fetch())).toEqual(NOT_FOUND);
    const answer = await send('GET', `/media/sora/${taskId}.mp4`, { key: null });
    expect(answer.text).not.toContain(taskId);
  });
});

describe('expired results', () => {
  it('are 404 from the second on, while polls still return their URL', async () => {
    const emulator = await createTestEmulator(['--result-ttl-seconds', '60']);
    const { core, account, post } = emulator;
    const { taskId } = (await post('/api/sora-2/generate', ORDERS['sora-2'].body, 'np_test_frozen')).body;
    const { id } = account('np_test_frozen');
    core.timeline.advanceToNext(id);
    const poll = async () => (await post('/api/sora-2/check-status', { taskId }, 'np_test_frozen')).body;
    const { videoUrl } = await poll();
    core.timeline.advance(id, 59_999);
    expect((await fetchFile(emulator, videoUrl)).status).toBe(200);
    core.timeline.advance(id, 1);
    const gone = await fetchFile(emulator, videoUrl, { 'if-none-match': '*' });
    expect([gone.status, jsonOf(gone)]).toEqual([404, NOT_FOUND]);
    expect(await poll()).toMatchObject({ status: 'completed', videoUrl });
  });
});

describe('result URLs', () => {
  it.each([
    [[], /^http:\/\/localhost:80\/media\/sora\/task_/],
    [['--public-url', 'https://emulator.example/np/'], /^https:\/\/emulator\.example\/np\/media\/sora\/task_/],
    [['--public-url', 'vendor'], /^https:\/\/video\.nanophoto\.ai\/sora\/task_/],
  ])('with %j are %s', async (flags, expected) => {
    expect((await completeTask(await createTestEmulator(flags), 'sora-2')).videoUrl).toMatch(expected);
  });

  it('on the vendor hosts are served when DNS resolves them to the emulator', async () => {
    const emulator = await createTestEmulator(['--public-url=vendor']);
    const { videoUrl } = await completeTask(emulator, 'veo-3');
    const { imageUrl } = await completeTask(emulator, 'nano-banana-2');
    expect(imageUrl).toMatch(/^https:\/\/static\.nanophoto\.ai\/nano-banana-2\/task_/);
    for (const [url, type] of [
      [videoUrl, 'video/mp4'],
      [imageUrl, 'image/jpeg'],
    ]) {
      const { host, pathname } = new URL(url);
      for (const name of [host, `${host}:6266`, host.toUpperCase()]) {
        const { status, headers } = await fetchFile(emulator, url, { host: name });
        expect([status, headers['content-type']]).toEqual([200, type]);
      }
      expect((await emulator.get(pathname)).status).not.toBe(200);
      expect((await fetchFile(emulator, `http://x/media${pathname}`, { host })).status).toBe(200);
    }
    // These hosts serve nothing else.
    const answer = await fetchFile(emulator, 'http://x/__admin/accounts', { host: 'video.nanophoto.ai' });
    expect([answer.status, jsonOf(answer)]).toEqual([404, NOT_FOUND]);
  });
});

describe('result files in the journal', () => {
  it('are recorded with their task, without findings', async () => {
    const { fetch, taskId, path, get } = await withVideo();
    await fetch();
    await fetch({ range: 'bytes=99999999-' });
    const { requests } = (await get(`/__admin/accounts/${KEY}/requests`)).body;
    expect(requests.slice(-2)).toMatchObject([
      { method: 'GET', path, status: 200, errorCode: null, taskIds: [taskId], response: { body: null } },
      { method: 'GET', path, status: 416, errorCode: 'INVALID_INPUT', taskIds: [taskId] },
    ]);
    expect((await get(`/__admin/accounts/${KEY}/requests/count?path=${path}&status=200`)).body).toEqual({
      count: 1,
    });
    expect((await get(`/__admin/accounts/${KEY}/verdict`)).body.ok).toBe(true);
  });

  it('do not evict API requests', async () => {
    const { fetch, get, path } = await withVideo();
    for (let n = 0; n < 1005; n++) await fetch({ range: 'bytes=0-1' });
    const count = async (filter = '') => (await get(`/__admin/accounts/${KEY}/requests/count${filter}`)).body.count;
    expect(await count(`?path=${path}`)).toBe(200);
    expect(await count()).toBe(202);
    const { requests } = (await get(`/__admin/accounts/${KEY}/requests?limit=3`)).body;
    expect(requests.map(({ id, method }: Record<string, string>) => [id, method])).toEqual([
      ['1', 'POST'],
      ['2', 'POST'],
      ['808', 'GET'],
    ]);
  });
});

describe('fault rules at media', () => {
  const at = (effect: Rule['effect'], more: Partial<Rule> = {}): Rule => ({
    match: {},
    at: 'media',
    effect,
    ...more,
  });

  async function withRule(rule: Rule, own = true) {
    const video = await withVideo();
    video.core.faults.add(own ? video.account(KEY).id : null, rule);
    return video;
  }

  it('respond with an error code and a status, a number of times', async () => {
    const { fetch, core, account, get, taskId } = await withRule(
      at({ errorCode: 'NOT_FOUND', status: 403 }, { times: 1 }),
    );
    const refused = await fetch();
    expect([refused.status, jsonOf(refused)]).toEqual([403, NOT_FOUND]);
    expect(refused.headers).not.toHaveProperty('etag');
    expect((await fetch()).status).toBe(200);
    const [rule] = core.faults.list(account(KEY).id);
    expect(rule).toMatchObject({ matched: 1, fired: 1 });
    const { requests } = (await get(`/__admin/accounts/${KEY}/requests?status=403`)).body;
    expect(requests).toMatchObject([{ taskIds: [taskId], fault: String(rule!.id) }]);
  });

  it.each([
    [{ family: 'sora-2' }, true],
    [{ family: 'veo-3' }, false],
    [{ endpoint: 'PATH' }, true],
    [{ endpoint: '/media/sora/other.mp4' }, false],
    [{ contains: 'a cat' }, true],
    [{ contains: 'a dog' }, false],
  ])('that match %j fire: %s', async (match, fires) => {
    const video = await withVideo();
    const rule = at({ errorCode: 'INTERNAL_ERROR' });
    if ('endpoint' in match && match.endpoint === 'PATH') rule.match = { endpoint: video.path };
    else rule.match = match;
    video.core.faults.add(null, rule);
    expect((await video.fetch()).status).toBe(fires ? 500 : 200);
  });

  it('of another account do not apply', async () => {
    const { core, account, fetch } = await withVideo();
    core.faults.add(account('np_test_default').id, at({ errorCode: 'INTERNAL_ERROR' }));
    expect((await fetch()).status).toBe(200);
  });

  it('do not apply to missing files', async () => {
    const { core, emulator } = await withRule(at({ errorCode: 'INTERNAL_ERROR' }), false);
    const { status } = await fetchFile(emulator, 'http://x/media/sora/task_000000000000000000000000.mp4');
    expect(status).toBe(404);
    expect(core.faults.list(null)).toMatchObject([{ matched: 0 }]);
  });

  it('delay the response', async () => {
    const { fetch, clock } = await withRule(at({ delayMs: 5000 }));
    let isDone = false;
    const late = fetch().finally(() => {
      isDone = true;
    });
    await new Promise(setImmediate);
    clock.advance(4999);
    await new Promise(setImmediate);
    expect(isDone).toBe(false);
    clock.advance(1);
    expect((await late).status).toBe(200);
  });

  it.each([
    [{ truncateAfter: 1000 }, 200, 1000, 'closed'],
    [{ truncateAfter: 0 }, 200, 0, 'closed'],
    [{ reset: true }, undefined, 0, 'ECONNRESET'],
    [{ empty: true }, undefined, 0, 'closed'],
  ] as const)('lose the connection: %j', async (effect, status, bytes, end) => {
    const { app, path, fetch } = await withRule(at(effect, { after: 1 }));
    const { length } = (await fetch()).bytes;
    const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
    const answer = await sendRawBytes(port, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(answer.end).toBe(end);
    if (status === undefined) return expect(answer.bytes).toHaveLength(0);
    const [head] = answer.bytes.toString('latin1').split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    expect(head!.toLowerCase()).toContain(`content-length: ${length}`);
    expect(answer.bytes.length - head!.length - 4).toBe(bytes);
  });

  it('hang until the client disconnects', async () => {
    const { app, path } = await withRule(at({ hang: true }));
    const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
    const socket = connect(Number(port), '127.0.0.1');
    let received = 0;
    socket.on('data', (piece) => {
      received += piece.length;
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    // A later request on another connection has been served: the first one had enough time.
    await sendRawBytes(port, 'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(received).toBe(0);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.destroy();
    await closed;
  });

  it('are followed by 404 when the account was reset during the delay', async () => {
    const { fetch, clock, core, account } = await withRule(at({ delayMs: 5000 }));
    const late = fetch();
    await new Promise(setImmediate);
    core.resets.reset(account(KEY).id);
    clock.advance(5000);
    const answer = await late;
    expect([answer.status, jsonOf(answer)]).toEqual([404, NOT_FOUND]);
  });

  it('are followed by the file that a restore brought back during the delay', async () => {
    const { fetch, clock, core, account } = await withVideo();
    core.snapshots.take(account(KEY).id, 'kept');
    const late = fetch({ 'x-emulator-fault': 'delay=5s' });
    await new Promise(setImmediate);
    core.snapshots.restore(account(KEY).id, 'kept');
    clock.advance(5000);
    expect((await late).status).toBe(200);
  });

  it('apply to one key when two accounts have the same file', async () => {
    const { core, account, post, emulator } = await withVideo();
    const share_link = 'https://sora.chatgpt.com/p/s_abc';
    const keys = ['np_test_w1', 'np_test_w2', 'np_test_w2'];
    core.accounts.create(keys[0]!, 'control', core.accounts.getProfile(account('np_test_auto').id));
    core.accounts.create(keys[1]!, 'control', core.accounts.getProfile(account('np_test_auto').id));
    const urls: string[] = [];
    for (const key of keys) urls.push((await post('/api/sora/remove-watermark', { share_link }, key)).body.url);
    expect(urls[0]).not.toBe(urls[1]);
    expect(urls[1]).toBe(urls[2]);
    core.faults.add(account('np_test_w2').id, at({ errorCode: 'INTERNAL_ERROR' }));
    const statuses = [];
    for (const url of urls) statuses.push((await fetchFile(emulator, url)).status);
    expect(statuses).toEqual([200, 500, 500]);
  });

  it.each([
    ['fail=INTERNAL_ERROR', 500],
    ['fail', 500],
    ['fail=NONSENSE', 200],
  ])('have a header equivalent: %s', async (words, status) => {
    const { fetch, get } = await withVideo();
    expect((await fetch({ 'x-emulator-fault': words })).status).toBe(status);
    const { requests } = (await get(`/__admin/accounts/${KEY}/requests`)).body;
    if (status === 500) expect(requests.at(-1).fault).toMatch(/^@emulator\((fail|errorCode=INTERNAL_ERROR)\)$/);
    else expect(requests.at(-1).warnings).toEqual([expect.stringContaining('NONSENSE')]);
  });
});
