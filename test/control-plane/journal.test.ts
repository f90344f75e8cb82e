import { describe, expect, it, vi } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };

async function createJournaledEmulator(key = 'np_journaled', flags: string[] = []) {
  const emulator = await createTestEmulator(flags);
  emulator.createAccount(key, { clock: { mode: 'frozen' }, rateLimit: null });
  const path = `/__admin/accounts/${encodeURIComponent(key)}`;
  const requests = async (query = '') => (await emulator.get(`${path}/requests${query}`)).body.requests;
  const count = async (query = '') => (await emulator.get(`${path}/requests/count${query}`)).body.count;
  const verdict = async () => (await emulator.get(`${path}/verdict`)).body;
  const submit = async (): Promise<string> => (await emulator.post(GENERATE, VALID, key)).body.taskId;
  const poll = (taskId: string) => emulator.post(CHECK, { taskId }, key);
  return { ...emulator, path, requests, count, verdict, submit, poll };
}

describe('journal', () => {
  it('lists requests for result files among the others, in the order of their arrival', async () => {
    const { send, get, path, requests, submit, poll } = await createJournaledEmulator();
    const taskId = await submit();
    await send('POST', `${path}/tasks/${taskId}/complete`, { key: null, body: {} });
    const { pathname } = new URL((await poll(taskId)).body.videoUrl);
    expect((await get(pathname)).status).toBe(200);
    await poll(taskId);
    const readPaths = async (query = '') => (await requests(query)).map((one: { path: string }) => one.path);
    expect(await readPaths()).toEqual([GENERATE, CHECK, pathname, CHECK]);
    expect(await readPaths('?after=2')).toEqual([pathname, CHECK]);
  });

  it('keeps the last 200 requests for result files, apart from the others, until a reset', async () => {
    const { send, get, path, requests, submit, poll } = await createJournaledEmulator();
    const taskId = await submit();
    await send('POST', `${path}/tasks/${taskId}/complete`, { key: null, body: {} });
    const { pathname } = new URL((await poll(taskId)).body.videoUrl);
    for (let n = 0; n < 201; n++) await send('HEAD', pathname, { key: null });
    const ids = (await requests('?limit=1000')).map(({ id }: { id: string }) => Number(id));
    expect(ids).toEqual([1, 2, ...Array.from({ length: 200 }, (_, n) => n + 4)]);
    expect((await get(`${path}/requests/count?method=HEAD`)).body.count).toBe(200);
    await send('POST', `${path}/reset`, { key: null, body: {} });
    expect(await requests()).toEqual([]);
  });

  it('lists requests and responses in order, with the key redacted', async () => {
    const { send, requests } = await createJournaledEmulator('sk-secret');
    const headers = { 'x-mine': 'sk-secret and more' };
    const { body } = await send('POST', GENERATE, {
      key: 'sk-secret',
      body: { ...VALID, 'sk-secret': 'sk-secret!' },
      headers,
    });
    await send('POST', GENERATE, { key: 'sk-secret', body: '{"sk-secret' });
    const entries = await requests();
    expect(entries).toEqual([
      {
        id: '1',
        requestId: expect.stringMatching(/^[0-9a-f]{12}-\d+$/),
        at: '2026-01-15T12:00:00.000Z',
        method: 'POST',
        path: GENERATE,
        status: 200,
        errorCode: null,
        durationMs: expect.any(Number),
        request: {
          headers: expect.objectContaining({
            'content-type': 'application/json',
            'x-mine': '[key] and more',
          }),
          body: { ...VALID, '[key]': '[key]!' },
        },
        response: { headers: { 'content-type': 'application/json; charset=utf-8' }, body },
        taskIds: [body.taskId],
        fault: null,
        warnings: ['undocumented field [key]'],
      },
      expect.objectContaining({
        ...{ id: '2', status: 400, errorCode: 'INVALID_INPUT', taskIds: [] },
        request: { headers: expect.anything(), body: '{"[key]' },
      }),
    ]);
    expect(entries[0].request.headers).not.toHaveProperty('authorization');
    expect(JSON.stringify(entries)).not.toContain('sk-secret');
  });

  it('can be filtered by path and status, paged and cleared', async () => {
    const { post, requests, count, send, path } = await createJournaledEmulator();
    await post(GENERATE, VALID, 'np_journaled');
    await post(GENERATE, {}, 'np_journaled');
    await post(CHECK, { taskId: 'x' }, 'np_journaled');
    await post('/nowhere', {}, 'np_journaled');
    expect([await count(), await count(`?path=${GENERATE}`), await count('?status=404')]).toEqual([4, 2, 2]);
    expect(await count(`?path=${GENERATE}&status=400`)).toBe(1);
    const ids = (entries: { id: string }[]) => entries.map(({ id }) => id);
    expect(ids(await requests('?limit=2'))).toEqual(['1', '2']);
    expect(ids(await requests('?after=2'))).toEqual(['3', '4']);
    expect(ids(await requests('?status=404&limit=1'))).toEqual(['3']);
    expect(await send('DELETE', `${path}/requests`, { key: null })).toMatchObject({ status: 204 });
    expect(await count()).toBe(0);
    await post(GENERATE, VALID, 'np_journaled');
    expect(ids(await requests())).toEqual(['5']);
    for (const query of ['?path=x', '?status=2xx', '?limit=0', '?nonsense=1'])
      expect((await send('GET', `${path}/requests${query}`, { key: null })).status).toBe(400);
  });

  it('can be filtered by method, error code, task, text and time', async () => {
    const { post, send, count, submit, poll } = await createJournaledEmulator();
    const taskId = await submit();
    await poll(taskId);
    await post(GENERATE, { ...VALID, prompt: 'A "quoted" é' }, 'np_journaled');
    await post(GENERATE, {}, 'np_journaled');
    await send('GET', GENERATE, { key: 'np_journaled' });
    const at = '2026-01-15T12:00:00.000Z';
    const expected = {
      ...{ 'method=POST': 4, 'method=GET': 1, 'method=PUT': 0 },
      ...{ 'errorCode=PROMPT_REQUIRED': 1, 'errorCode=LOGIN_REQUIRED': 0 },
      ...{ [`taskId=${taskId}`]: 2, 'taskId=x': 0, [`taskId=${taskId}&path=${CHECK}`]: 1 },
      // Both the poll and the response to the order contain the id.
      ...{
        [`contains=${taskId}`]: 2,
        'contains=quoted%5C%22%20%C3%A9': 1,
        'contains=PROMPT_REQUIRED': 1,
        'contains=QUOTED': 0,
      },
      ...{ [`since=${at}`]: 5, [`until=${at}`]: 5, 'since=2026-01-15T13:00:00.001%2B01:00': 0 },
      ...{ 'until=2026-01-15T11:59:59.999Z': 0 },
    };
    const counts: Record<string, number> = {};
    for (const query of Object.keys(expected)) counts[query] = await count(`?${query}`);
    expect(counts).toEqual(expected);
  });

  it.each([
    ['method', 'post'],
    ['method', ''],
    ['errorCode', 'no code'],
    ['taskId', ''],
    ['contains', ''],
    ['contains', 'x'.repeat(1001)],
    ['since', 'noon'],
    ['until', '2026-01-15T12:00:00'],
  ])('rejects the filter %s=%.20s with 400, which names it', async (name, value) => {
    const { send, path } = await createJournaledEmulator();
    for (const list of ['requests', 'requests/count']) {
      const { status, body } = await send('GET', `${path}/${list}?${name}=${value}`, { key: null });
      expect([status, body.error]).toEqual([400, expect.stringContaining(name)]);
    }
  });

  describe('wait', () => {
    it('returns the request that completes the count', async () => {
      const { post, get, submit, poll, path } = await createJournaledEmulator();
      const wait = (query: string) => get(`${path}/requests/wait${query}`);
      const taskId = await submit();
      expect((await wait('')).body).toMatchObject({ id: '1', path: GENERATE });
      const second = wait(`?taskId=${taskId}&count=2`);
      const failed = wait('?errorCode=PROMPT_REQUIRED');
      await post(GENERATE, VALID, 'np_journaled');
      await poll(taskId);
      expect((await second).body).toMatchObject({ id: '3', path: CHECK, taskIds: [taskId] });
      await post(GENERATE, {}, 'np_journaled');
      expect((await failed).body).toMatchObject({ id: '4', status: 400 });
      expect((await wait(`?path=${GENERATE}&count=2`)).body).toMatchObject({ id: '2' });
    });

    it('ends when the request is answered, not when it arrives, and also when its response is lost', async () => {
      const { app, core, account, post, get, path } = await createJournaledEmulator();
      core.faults.add(account('np_journaled').id, { match: {}, at: 'request', effect: { empty: true }, times: 1 });
      const url = await app.listen({ port: 0, host: '127.0.0.1' });
      const waiting = get(`${path}/requests/wait?path=${GENERATE}`);
      const headers = { authorization: 'Bearer np_journaled', 'content-type': 'application/json' };
      await expect(fetch(url + GENERATE, { method: 'POST', headers, body: JSON.stringify(VALID) })).rejects.toThrow();
      expect((await waiting).body).toMatchObject({ id: '1', status: null });
      const missing = await get(`${path}/requests/wait?status=200&timeoutMs=0`);
      expect([missing.status, missing.body]).toEqual([
        408,
        { error: 'No matching request was answered within 0 ms.', code: 'WAIT_TIMEOUT' },
      ]);
      await post(GENERATE, VALID, 'np_journaled');
      expect((await get(`${path}/requests/wait?status=200&timeoutMs=0`)).status).toBe(200);
    });

    it('ends with 409 when the account is reset, and rejects a count that is not 1 to 1000', async () => {
      const { core, get, send, path } = await createJournaledEmulator();
      const waiting = get(`${path}/requests/wait`);
      await vi.waitUntil(() => core.events.hasListeners());
      await send('POST', `${path}/reset`, { key: null, body: {} });
      expect((await waiting).body).toMatchObject({ code: 'ACCOUNT_CHANGED' });
      for (const count of ['0', '1001', '-1', '1.5', 'x', '']) {
        const { status, body } = await get(`${path}/requests/wait?count=${count}`);
        expect([status, body.error]).toEqual([400, expect.stringContaining('count')]);
      }
    });
  });

  it('returns single entries, also before their response', async () => {
    const { post, get, send, path, requests, submit, poll } = await createJournaledEmulator('sk-secret');
    await poll(await submit());
    const getEntry = async (id: string) => get(`${path}/requests/${id}`);
    for (const entry of await requests()) {
      expect(await getEntry(entry.id)).toMatchObject({ status: 200, body: entry });
    }
    await send('POST', `${path}/faults`, { key: null, body: { at: 'request', effect: { hang: true } } });
    void post(CHECK, { taskId: 'x' }, 'sk-secret').catch(() => {});
    await vi.waitUntil(async () => (await requests()).length === 3);
    expect((await getEntry('3')).body).toMatchObject({ id: '3', status: null, durationMs: null });
    const expectNotFound = async (ids: string[]) => {
      for (const id of ids) {
        expect(await getEntry(id)).toMatchObject({ status: 404, body: { code: 'REQUEST_NOT_FOUND' } });
      }
    };
    await expectNotFound(['4', '0', '01', '1.0', '0x1', 'x', '-1']);
    await send('DELETE', `${path}/requests`, { key: null });
    await expectNotFound(['1', '3']);
    expect((await get(`/__admin/accounts/np_test_default/requests/1`)).body.code).toBe('REQUEST_NOT_FOUND');
    expect((await get(`${path}/requests/1?limit=1`)).body.code).toBe('INVALID_INPUT');
  });

  it('is kept per key, including rejected requests but not unknown keys', async () => {
    const { post, count, get, send } = await createJournaledEmulator();
    await post(GENERATE, VALID, 'np_test_other');
    await post(GENERATE, VALID, 'nobody');
    await send('POST', GENERATE, { key: null, body: VALID });
    expect(await count()).toBe(0);
    expect((await get('/__admin/accounts/np_test_other/requests/count')).body.count).toBe(1);
  });

  it('keeps the last 1000 requests', async () => {
    const { poll, requests, count } = await createJournaledEmulator();
    for (let n = 0; n < 1005; n++) await poll('x');
    expect(await count()).toBe(1000);
    expect((await requests('?limit=1'))[0].id).toBe('6');
  });

  it('truncates long bodies and evicts the oldest entries above its size limit', async () => {
    const { post, requests, count } = await createJournaledEmulator();
    const prompt = 'x'.repeat(20_000);
    for (let n = 0; n < 600; n++) await post(GENERATE, { ...VALID, prompt }, 'np_journaled');
    // 8 MB in entries of 16 KB and some overhead.
    expect(await count()).toBeGreaterThan(350);
    expect(await count()).toBeLessThan(500);
    const [{ request }] = await requests('?limit=1');
    expect(request.truncated).toBe(true);
    expect(request.body).toHaveLength(16 * 1024);
    expect(request.body.startsWith('{"prompt":"xxx')).toBe(true);
  });

  it('keeps the start of a streamed text, but not an upload', async () => {
    const { post, requests } = await createJournaledEmulator();
    const videoFile = `data:video/mp4;base64,${Buffer.alloc(200_000).toString('base64')}`;
    await post('/api/sora-2/reverse-prompt', { videoSource: 'file', videoFile }, 'np_journaled');
    await post('/api/sora-2/generate-prompt', { topic: 'a lighthouse' }, 'np_journaled');
    const [upload, stream] = await requests();
    expect(JSON.stringify(upload).length).toBeLessThan(3000);
    expect(upload).toMatchObject({ status: 400, errorCode: 'INVALID_FORMAT' });
    expect(stream).toMatchObject({
      status: 200,
      response: { body: expect.stringContaining('a lighthouse') },
    });
    expect(stream.taskIds).toHaveLength(1);
  });

  // id: journal-has-no-credentials
  it('redacts the key where it is escaped, encoded or truncated, and other credentials too', async () => {
    const key = 'sk"secret\\key';
    const { send, requests, verdict } = await createJournaledEmulator(key);
    const outputs = [];
    for (const prefixLength of [0, 16_364, 16_380, 20_000]) {
      const prompt = `${'B'.repeat(prefixLength)}${key}${'C'.repeat(9000)}`;
      await send('POST', GENERATE, { key, body: { ...VALID, prompt, [key]: 1 } });
    }
    const headers = { 'x-api-key': 'other', cookie: 'session=1', 'user-agent': encodeURIComponent(key) };
    await send('POST', `/api/${encodeURIComponent(key)}`, { key, body: VALID, headers });
    outputs.push(JSON.stringify(await requests()), JSON.stringify(await verdict()));
    for (const text of outputs) {
      for (const part of ['sk"', 'sk\\"s', 'sk%22', 'secret', 'other', 'session=1']) expect(text).not.toContain(part);
    }
    expect(outputs[0]).toContain('[key]');
    expect(outputs[1]).toContain('has no field [key]');
  });

  // id: journal-redacts-encoded-keys
  it('redacts the key where it is percent-encoded completely, in base64, or escaped in text', async () => {
    const key = 'sk_live_0123456789abcdef';
    const { send, requests } = await createJournaledEmulator(key);
    const percent = Buffer.from(key).toString('hex').replaceAll(/../g, '%$&');
    const unicode = Array.from(key, (one) => `\\u00${one.charCodeAt(0).toString(16)}`).join('');
    const forms = [
      percent,
      percent.toUpperCase(),
      Buffer.from(key).toString('base64'),
      Buffer.from(`user:${key}`).toString('base64'),
      Buffer.from(`x${key}`).toString('base64url'),
    ];
    for (const form of [...forms, unicode]) {
      const headers = { 'content-encoding': form, 'x-form': `Basic ${form}` };
      await send('POST', form === unicode ? GENERATE : `/api/${form}`, { key, body: { [form]: form }, headers });
      await send('POST', GENERATE, { key, body: `{"${form}": "${'x'.repeat(20_000)}${form}` });
      await send('POST', GENERATE, { key, body: `{"${form}":1,"prompt":"${form}"}` });
    }
    const text = JSON.stringify(await requests());
    for (const form of [key, ...forms]) expect(text).not.toContain(form.slice(8, -4));
    expect(text.toLowerCase()).not.toContain('u0030');
    expect(text).toContain('Basic [key]');
  });

  // id: journal-lists-bounded-names
  it('lists ten undocumented fields and ten warnings of a request, shortened, and the number of the others', async () => {
    const { send, requests, verdict } = await createJournaledEmulator('sk-secret');
    const fields = Object.fromEntries(Array.from({ length: 15_000 }, (_, index) => [`field${index}`, 0]));
    await send('POST', CHECK, { key: 'sk-secret', body: { taskId: 'x', ...fields } });
    const long = { taskId: 'x', [`${'x'.repeat(100)}sk-secret${'y'.repeat(100_000)}`]: 0 };
    await send('POST', CHECK, { key: 'sk-secret', body: long });
    await send('POST', CHECK, { key: 'sk-secret', body: { taskId: '@emulator(no)'.repeat(20_000) } });
    const [many, shortened, directives] = await requests();
    expect(many.warnings).toHaveLength(11);
    expect(many.warnings[0]).toBe('undocumented field field0');
    expect(many.warnings[10]).toBe('and 14,990 more undocumented fields');
    expect(shortened.warnings).toEqual([expect.stringMatching(/^undocumented field x{100}\[key\]y{90,95}…$/)]);
    expect(directives.warnings).toHaveLength(11);
    expect(directives.warnings[10]).toBe('and 19,990 more warnings');
    const { findings } = await verdict();
    expect(findings.slice(9)).toMatchObject([
      { message: `${CHECK} has no field field9.`, requests: ['1'] },
      { message: expect.stringMatching(/has no field x{100}\[key\]y{90,95}…\.$/), requests: ['2'] },
      { message: 'Requests have further undocumented fields.', requests: ['1'] },
    ]);
  });

  it('keeps --journal-entries entries, or none, without affecting faults', async () => {
    for (const [entries, expectedCount] of [
      ['3', 3],
      ['0', 0],
    ] as const) {
      const { send, createAccount, get: read } = await createTestEmulator(['--journal-entries', entries]);
      createAccount('np_few');
      const headers = { 'x-emulator-fault': 'fail=INTERNAL_ERROR' };
      for (let n = 0; n < 9; n++) {
        expect((await send('POST', GENERATE, { key: 'np_few', body: VALID, headers })).status).toBe(500);
      }
      expect((await read('/__admin/accounts/np_few/requests/count')).body.count).toBe(expectedCount);
      expect((await read('/__admin/accounts/np_few/verdict')).body).toEqual({ ok: true, findings: [] });
    }
  });

  // id: journal-evicts-oldest
  it('evicts the oldest entries of all accounts above the memory budget', async () => {
    const {
      post,
      count,
      createAccount,
      get: read,
    } = await createJournaledEmulator('np_journaled', ['--memory-budget-mb', '16']);
    for (let n = 0; n < 3; n++) createAccount(`np_noisy_${n}`, { rateLimit: null, clock: { mode: 'frozen' } });
    await post(GENERATE, VALID, 'np_journaled');
    const prompt = 'x'.repeat(16_000);
    for (let n = 0; n < 3; n++) {
      for (let m = 0; m < 460; m++) await post(CHECK, { taskId: prompt }, `np_noisy_${n}`);
    }
    // The oldest entry is evicted, the latest ones are kept.
    for (let n = 0; n < 3; n++) await post(GENERATE, VALID, 'np_journaled');
    expect(await count()).toBe(3);
    await post(CHECK, { taskId: prompt }, 'np_noisy_2');
    expect(await count()).toBe(3);
    expect((await read('/__admin/accounts/np_noisy_2/requests/count')).body.count).toBeGreaterThan(400);
  });

  it('names the fault that fired, and has a null status without a response', async () => {
    const { app, core, account, requests } = await createJournaledEmulator();
    const fault = core.faults.add(account('np_journaled').id, {
      match: {},
      at: 'request',
      effect: { empty: true },
    });
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const request = {
      method: 'POST',
      headers: { authorization: 'Bearer np_journaled', 'content-type': 'application/json' },
      body: JSON.stringify({ ...VALID, prompt: '@emulator(delay=0ms)' }),
    };
    await expect(fetch(url + GENERATE, request)).rejects.toThrow();
    expect(await requests()).toMatchObject([
      { status: null, fault: `@emulator(delayMs=0); ${fault.id}`, response: { body: null } },
    ]);
  });

  it.each([
    ['empty', 'request', { empty: true }],
    ['reset', 'request', { reset: true }],
    ['hang', 'request', { hang: true }],
    ['delay', 'accepted', { delayMs: 1000 }],
  ] as const)(
    'distinguishes a lost response (%s) from a pending one, and emits its event',
    async (_title, at, effect) => {
      const { app, core, account, requests } = await createJournaledEmulator();
      const { id } = account('np_journaled');
      core.faults.add(id, { match: {}, at, effect });
      const emitted: object[] = [];
      core.events.listen((event) => {
        if (event.type === 'request') emitted.push(event.detail);
      });
      const url = await app.listen({ port: 0, host: '127.0.0.1' });
      const disconnect = new AbortController();
      const response = fetch(url + GENERATE, {
        ...{ method: 'POST', body: JSON.stringify(VALID), signal: disconnect.signal },
        headers: { authorization: 'Bearer np_journaled', 'content-type': 'application/json' },
      });
      response.catch(() => {});
      if ('hang' in effect || 'delayMs' in effect) {
        await vi.waitUntil(async () => (await requests())[0]?.fault);
        expect([await requests(), emitted]).toMatchObject([[{ status: null, durationMs: null }], []]);
        disconnect.abort();
      }
      await expect(response).rejects.toThrow();
      await vi.waitUntil(() => emitted.length > 0);
      expect(emitted).toMatchObject([{ id: '1', status: null }]);
      expect(await requests()).toMatchObject([{ status: null, durationMs: expect.any(Number) }]);
    },
  );

  it('does not depend on interleaved requests of other keys', async () => {
    const calls: [string, object][] = [
      [GENERATE, VALID],
      [CHECK, { taskId: 'x' }],
      [GENERATE, {}],
      ['/api/sora-2/generate-prompt', { topic: 'a' }],
    ];
    const readJournal = async (keys: string[]) => {
      const { post, createAccount, get } = await createTestEmulator();
      for (const key of keys) createAccount(key, { clock: { mode: 'frozen' } });
      for (const [path, body] of calls) await Promise.all(keys.map((key) => post(path, body, key)));
      const { requests } = (await get('/__admin/accounts/k1/requests')).body;
      return requests.map((entry: object) => ({ ...entry, durationMs: null, requestId: null }));
    };
    expect(await readJournal(['k1', 'k2', 'k3'])).toEqual(await readJournal(['k1']));
  });
});
