import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { completeTask, fetchFile } from '../support/results.ts';

const KEY = 'np_test_unlimited';

/** An emulator with a completed task, and helpers to fetch the task's files over the control plane. */
async function createEmulatorWithTask(family: Parameters<typeof completeTask>[1] = 'sora-2', flags: string[] = []) {
  const emulator = await createTestEmulator(flags);
  const poll = await completeTask(emulator, family, {}, KEY);
  // The account's clock was ahead of the wall clock.
  emulator.clock.advance(3_600_000);
  const call = (method: string, path: string, body?: object) =>
    emulator.send(method, `/__admin/accounts/${KEY}${path}`, { key: null, ...(body && { body }) });
  const { tasks } = (await call('GET', '/tasks')).body;
  const task = tasks[0] as { id: string; result: Record<string, string> };
  const fileUrl = (field: string, id = task.id) =>
    `http://localhost/__admin/accounts/${KEY}/tasks/${id}/files/${field}`;
  const fetchTaskFile = (field: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') =>
    fetchFile(emulator, fileUrl(field), headers, method);
  const fetchCode = async (url: string, headers: Record<string, string> = {}) => {
    const { status, bytes } = await fetchFile(emulator, url, headers);
    return [status, JSON.parse(bytes.toString()).code];
  };
  return { ...emulator, emulator, poll, call, task, fileUrl, fetchTaskFile, fetchCode };
}

describe('task files of the control plane', () => {
  it.each([
    ['sora-2', ['videoUrl']],
    ['veo-3', ['videoUrl']],
    ['seedance-1-5-pro', ['videoUrl']],
    ['sora-2-tvc', ['videoUrl', 'storyboardImageUrl']],
    ['nano-banana-pro', ['imageUrl']],
    ['nano-banana-2', ['imageUrl']],
  ] as const)('of %s equal those at the URLs in result fields %j', async (family, fields) => {
    const { emulator, task, fetchTaskFile } = await createEmulatorWithTask(family);
    expect(Object.keys(task.result)).toEqual(fields);
    for (const field of fields) {
      const [adminFile, publicFile] = [await fetchTaskFile(field), await fetchFile(emulator, task.result[field]!)];
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
      // Unlike public files, they must not be readable by pages of other origins.
      expect(adminFile.headers).not.toHaveProperty('access-control-allow-origin');
    }
  });

  it('support byte ranges, conditional requests and HEAD', async () => {
    const { fetchTaskFile, fileUrl, fetchCode } = await createEmulatorWithTask();
    const fullFile = await fetchTaskFile('videoUrl');
    const size = fullFile.bytes.length;
    const part = await fetchTaskFile('videoUrl', { range: 'bytes=100-199' });
    expect([part.status, part.headers['content-range'], part.headers['content-length']]).toEqual([
      206,
      `bytes 100-199/${size}`,
      '100',
    ]);
    expect(part.bytes.equals(fullFile.bytes.subarray(100, 200))).toBe(true);
    const etag = String(fullFile.headers.etag);
    expect(await fetchTaskFile('videoUrl', { 'if-none-match': etag })).toMatchObject({ status: 304 });
    expect((await fetchTaskFile('videoUrl', { range: 'bytes=0-1', 'if-range': '"x"' })).status).toBe(200);
    const head = await fetchTaskFile('videoUrl', {}, 'HEAD');
    expect([head.status, head.bytes.length, head.headers['content-length']]).toEqual([200, 0, String(size)]);
    const url = fileUrl('videoUrl');
    expect(await fetchCode(url, { 'if-match': '"x"' })).toEqual([412, 'PRECONDITION_FAILED']);
    expect(await fetchCode(url, { range: `bytes=${size}-` })).toEqual([416, 'RANGE_NOT_SATISFIABLE']);
    const { headers, bytes } = await fetchTaskFile('videoUrl', { range: `bytes=${size}-` });
    expect([headers['content-range'], JSON.parse(bytes.toString()).error]).toEqual([
      `bytes */${size}`,
      `The file has ${size} bytes, none of them in the range bytes=${size}-.`,
    ]);
  });

  it('leave no journal entry or event, and are not subject to faults', async () => {
    const { emulator, call, fetchTaskFile, task } = await createEmulatorWithTask('nano-banana-2');
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
    const { status, bytes } = await fetchTaskFile('imageUrl', { 'x-emulator-fault': 'fail' });
    expect([status, bytes.length > 1000]).toEqual([200, true]);
    expect((await call('GET', '/requests')).body.requests).toEqual([]);
    expect((await call('GET', '/faults')).body.faults).toMatchObject([{ fired: 0 }]);
    expect((await emulator.get('/__admin/faults')).body.faults).toMatchObject([{ fired: 0 }]);
    expect(await metrics()).toEqual(before);
    expect(emitted).toEqual([]);
    // The rules are left for requests of the client.
    expect((await fetchFile(emulator, task.result.imageUrl!)).status).toBe(500);
    expect((await call('GET', '/requests')).body.requests).toHaveLength(1);
  });

  it('are not found before the task completes or after it fails', async () => {
    const { emulator, clock, post, fileUrl, fetchCode, call } = await createEmulatorWithTask();
    const submit = async (): Promise<string> =>
      (await post('/api/sora-2/generate', { prompt: 'a', mode: 'textToVideo' }, KEY)).body.taskId;
    const [running, failed] = [await submit(), await submit()];
    await call('POST', `/tasks/${failed}/fail`);
    for (const id of [running, failed]) {
      expect(await fetchCode(fileUrl('videoUrl', id))).toEqual([404, 'FILE_NOT_FOUND']);
    }
    // Due transitions are applied before the file is looked up.
    clock.advance(600_000);
    expect((await fetchFile(emulator, fileUrl('videoUrl', running))).status).toBe(200);
  });

  it('expire like the public files', async () => {
    const { call, fetchTaskFile, fileUrl, fetchCode } = await createEmulatorWithTask('sora-2', [
      '--result-ttl-seconds',
      '7200',
    ]);
    expect((await fetchTaskFile('videoUrl')).status).toBe(200);
    await call('POST', '/clock/advance', { ms: 7_200_000 });
    expect(await fetchCode(fileUrl('videoUrl'))).toEqual([404, 'FILE_NOT_FOUND']);
    const { bytes } = await fetchTaskFile('videoUrl');
    expect(JSON.parse(bytes.toString()).error).toMatch(/^The files of task task_\w+ have expired\.$/);
  });

  it.each(['imageUrl', 'thumbnail', 'errorCode', '__proto__', 'constructor', 'toString', 'video%2FUrl'])(
    'are not found by the field %s',
    async (field) => {
      const { fetchCode, fileUrl } = await createEmulatorWithTask();
      expect(await fetchCode(fileUrl(field))).toEqual([404, 'FILE_NOT_FOUND']);
    },
  );

  it('are not found under another account', async () => {
    const { fetchCode, fileUrl, createAccount } = await createEmulatorWithTask();
    createAccount('other');
    expect(await fetchCode(fileUrl('videoUrl', 'task_none'))).toEqual([404, 'TASK_NOT_FOUND']);
    expect(await fetchCode(fileUrl('videoUrl').replace(KEY, 'other'))).toEqual([404, 'TASK_NOT_FOUND']);
    expect(await fetchCode(fileUrl('videoUrl').replace(KEY, 'nobody'))).toEqual([404, 'ACCOUNT_NOT_FOUND']);
    expect(await fetchCode(`${fileUrl('videoUrl')}?download=1`)).toEqual([400, 'INVALID_INPUT']);
  });

  it('require the admin token', async () => {
    const { send } = await createTestEmulator(['--admin-token', 'very-secret']);
    const path = `/__admin/accounts/${KEY}/tasks/task_none/files/videoUrl`;
    expect((await send('GET', path, { key: null })).status).toBe(401);
    expect((await send('GET', path, { key: 'very-secret' })).body.code).toBe('TASK_NOT_FOUND');
  });
});
