import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { completeTask, fetchFile } from '../support/results.ts';

const KEY = 'np_test_unlimited';

/** A completed task of a family, and a way to look at its files from outside. */
async function createEmulatorWithTask(family: Parameters<typeof completeTask>[1] = 'sora-2', flags: string[] = []) {
  const emulator = await createTestEmulator(flags);
  const poll = await completeTask(emulator, family, {}, KEY);
  // The account's clock was ahead of the wall's.
  emulator.clock.advance(3_600_000);
  const call = (method: string, path: string, body?: object) =>
    emulator.send(method, `/__admin/accounts/${KEY}${path}`, { key: null, ...(body && { body }) });
  const { tasks } = (await call('GET', '/tasks')).body;
  const task = tasks[0] as { id: string; result: Record<string, string> };
  const urlOf = (field: string, id = task.id) => `http://localhost/__admin/accounts/${KEY}/tasks/${id}/files/${field}`;
  const look = (field: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') =>
    fetchFile(emulator, urlOf(field), headers, method);
  const codeOf = async (url: string, headers: Record<string, string> = {}) => {
    const { status, bytes } = await fetchFile(emulator, url, headers);
    return [status, JSON.parse(bytes.toString()).code];
  };
  return { ...emulator, emulator, poll, call, task, urlOf, look, codeOf };
}

describe('a file of a task, looked at from outside', () => {
  it.each([
    ['sora-2', ['videoUrl']],
    ['veo-3', ['videoUrl']],
    ['seedance-1-5-pro', ['videoUrl']],
    ['sora-2-tvc', ['videoUrl', 'storyboardImageUrl']],
    ['nano-banana-pro', ['imageUrl']],
    ['nano-banana-2', ['imageUrl']],
  ] as const)('of %s is what its URL has, by the fields %j of the result', async (family, fields) => {
    const { emulator, task, look } = await createEmulatorWithTask(family);
    expect(Object.keys(task.result)).toEqual(fields);
    for (const field of fields) {
      const [adminFile, publicFile] = [await look(field), await fetchFile(emulator, task.result[field]!)];
      expect([adminFile.status, adminFile.bytes.equals(publicFile.bytes), adminFile.bytes.length > 1000]).toEqual([
        200,
        true,
        true,
      ]);
      const names = ['content-type', 'content-length', 'etag', 'last-modified', 'accept-ranges'];
      for (const name of [...names, 'cache-control']) {
        expect([name, adminFile.headers[name]]).toEqual([name, publicFile.headers[name]]);
      }
      expect(adminFile.headers['content-type']).toBe(field === 'videoUrl' ? 'video/mp4' : 'image/jpeg');
      // Only what is open to all pages says that it is.
      expect(adminFile.headers).not.toHaveProperty('access-control-allow-origin');
    }
  });

  it('comes in parts, on conditions, and as its head alone', async () => {
    const { look, urlOf, codeOf } = await createEmulatorWithTask();
    const fullFile = await look('videoUrl');
    const size = fullFile.bytes.length;
    const part = await look('videoUrl', { range: 'bytes=100-199' });
    expect([part.status, part.headers['content-range'], part.headers['content-length']]).toEqual([
      206,
      `bytes 100-199/${size}`,
      '100',
    ]);
    expect(part.bytes.equals(fullFile.bytes.subarray(100, 200))).toBe(true);
    const etag = String(fullFile.headers.etag);
    expect(await look('videoUrl', { 'if-none-match': etag })).toMatchObject({ status: 304 });
    expect((await look('videoUrl', { range: 'bytes=0-1', 'if-range': '"x"' })).status).toBe(200);
    const head = await look('videoUrl', {}, 'HEAD');
    expect([head.status, head.bytes.length, head.headers['content-length']]).toEqual([200, 0, String(size)]);
    const url = urlOf('videoUrl');
    expect(await codeOf(url, { 'if-match': '"x"' })).toEqual([412, 'PRECONDITION_FAILED']);
    expect(await codeOf(url, { range: `bytes=${size}-` })).toEqual([416, 'RANGE_NOT_SATISFIABLE']);
    const { headers, bytes } = await look('videoUrl', { range: `bytes=${size}-` });
    expect([headers['content-range'], JSON.parse(bytes.toString()).error]).toEqual([
      `bytes */${size}`,
      `The file has ${size} bytes, and none in the range bytes=${size}-.`,
    ]);
  });

  it('leaves no trace, and nothing that is to go wrong befalls it', async () => {
    const { emulator, call, look, task } = await createEmulatorWithTask('nano-banana-2');
    await call('DELETE', '/requests');
    const effect = { errorCode: 'INTERNAL_ERROR' };
    await call('POST', '/faults', { at: 'media', effect, times: 1 });
    await emulator.send('POST', '/__admin/faults', {
      key: null,
      body: { at: 'media', effect: { truncateAfter: 5 }, times: 1 },
    });
    const metrics = async () => (await emulator.get('/metrics')).text.match(/^nanophoto_requests.*$/gm);
    const before = await metrics();
    const emitted: unknown[] = [];
    emulator.core.events.listen((event) => emitted.push(event));
    const { status, bytes } = await look('imageUrl', { 'x-emulator-fault': 'fail' });
    expect([status, bytes.length > 1000]).toEqual([200, true]);
    expect((await call('GET', '/requests')).body.requests).toEqual([]);
    expect((await call('GET', '/faults')).body.faults).toMatchObject([{ fired: 0 }]);
    expect((await emulator.get('/__admin/faults')).body.faults).toMatchObject([{ fired: 0 }]);
    expect(await metrics()).toEqual(before);
    expect(emitted).toEqual([]);
    // They wait for the client.
    expect((await fetchFile(emulator, task.result.imageUrl!)).status).toBe(500);
    expect((await call('GET', '/requests')).body.requests).toHaveLength(1);
  });

  it('is not there before the task is completed, nor when it has failed', async () => {
    const { emulator, clock, post, urlOf, codeOf, call } = await createEmulatorWithTask();
    const submit = async (): Promise<string> =>
      (await post('/api/sora-2/generate', { prompt: 'a', mode: 'textToVideo' }, KEY)).body.taskId;
    const [running, failed] = [await submit(), await submit()];
    await call('POST', `/tasks/${failed}/fail`);
    for (const id of [running, failed]) {
      expect(await codeOf(urlOf('videoUrl', id))).toEqual([404, 'FILE_NOT_FOUND']);
    }
    // Real time passes; what falls due by now has happened when it is looked at.
    clock.advance(600_000);
    expect((await fetchFile(emulator, urlOf('videoUrl', running))).status).toBe(200);
  });

  it('is gone when it has expired, as it is for everybody', async () => {
    const { call, look, urlOf, codeOf } = await createEmulatorWithTask('sora-2', ['--result-ttl-seconds', '7200']);
    expect((await look('videoUrl')).status).toBe(200);
    await call('POST', '/clock/advance', { ms: 7_200_000 });
    expect(await codeOf(urlOf('videoUrl'))).toEqual([404, 'FILE_NOT_FOUND']);
    const { bytes } = await look('videoUrl');
    expect(JSON.parse(bytes.toString()).error).toMatch(/^The files of task task_\w+ have expired\.$/);
  });

  it.each(['imageUrl', 'thumbnail', 'errorCode', '__proto__', 'constructor', 'toString', 'video%2FUrl'])(
    'is none by the name %s',
    async (field) => {
      const { codeOf, urlOf } = await createEmulatorWithTask();
      expect(await codeOf(urlOf(field))).toEqual([404, 'FILE_NOT_FOUND']);
    },
  );

  it('belongs to its account', async () => {
    const { codeOf, urlOf, createAccount } = await createEmulatorWithTask();
    createAccount('other');
    expect(await codeOf(urlOf('videoUrl', 'task_none'))).toEqual([404, 'TASK_NOT_FOUND']);
    expect(await codeOf(urlOf('videoUrl').replace(KEY, 'other'))).toEqual([404, 'TASK_NOT_FOUND']);
    expect(await codeOf(urlOf('videoUrl').replace(KEY, 'nobody'))).toEqual([404, 'ACCOUNT_NOT_FOUND']);
    expect(await codeOf(`${urlOf('videoUrl')}?download=1`)).toEqual([400, 'INVALID_INPUT']);
  });

  it('is behind the guard', async () => {
    const { send } = await createTestEmulator(['--admin-token', 'very-secret']);
    const path = `/__admin/accounts/${KEY}/tasks/task_none/files/videoUrl`;
    expect((await send('GET', path, { key: null })).status).toBe(401);
    expect((await send('GET', path, { key: 'very-secret' })).body.code).toBe('TASK_NOT_FOUND');
  });
});
