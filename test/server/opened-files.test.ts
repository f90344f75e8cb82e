import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findFiles } from '../../src/cli/open.ts';
import { openFiles } from '../../src/server/opened-files.ts';
import { buildDocument, useAccount } from '../support/account-document.ts';
import { postJson } from '../support/command.ts';
import { createTestCore } from '../support/core.ts';
import { createTestEmulator, type TestEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTestClock, START_MS } from '../support/test-clock.ts';
import { readSentence } from '../support/tools.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests change documents in every way
type Json = any;

const KEY = 'np_test_used';
const REQUEST = {
  ...{ id: '3', requestId: 'r-3', at: '2026-01-15T12:00:00.000Z', method: 'POST', path: '/api/sora-2/generate' },
  ...{ status: 200, errorCode: null, durationMs: 1.5, taskIds: ['task_one'], fault: null, warnings: [] },
  request: { headers: { 'content-type': 'application/json' }, body: { prompt: 'a cat' } },
  response: { headers: {}, body: { success: true, taskId: 'task_one' } },
};
const POLL = {
  ...{ ...REQUEST, id: '7', at: '2026-01-15T12:01:00.000Z', path: '/api/sora-2/check-status', taskIds: ['task_two'] },
  ...{ status: 404, errorCode: 'TASK_NOT_FOUND' },
};

/** Writes files below a new directory and returns its path. */
function writeFiles(files: Record<string, unknown>): string {
  const dir = tempDir();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(dir, name, '..'), { recursive: true });
    writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return dir;
}

const writeDocument = (document: unknown): string => join(writeFiles({ 'state.json': document }), 'state.json');

const open = (path: string, clock = createTestClock()): Promise<TestEmulator> =>
  createTestEmulator(['--port', '0'], clock, undefined, { filesToOpen: findFiles(path) });

const exportAll = async ({ get }: TestEmulator, key: string): Promise<string> =>
  (await get(`/__admin/accounts/${key}/export?include=requests,verdict`)).text;

const listKeys = async ({ get }: TestEmulator): Promise<string[]> =>
  (await get('/__admin/accounts')).body.accounts.map(({ key }: { key: string }) => key);

describe('an emulator that shows files', () => {
  it.each(['real', 'frozen', 'auto'] as const)('has exactly the exported account, with a %s clock', async (mode) => {
    const original = await createTestEmulator(['--rate-limit', 'off']);
    const send = (path: string, body: object) => original.send('PUT', `/__admin/accounts/${KEY}${path}`, { body });
    await original.post('/__admin/accounts', { key: KEY, clock: 'frozen', speed: 60, failureRate: 0.2 });
    await useAccount(original, KEY);
    await original.post('/api/sora-2/generate', { prompt: `${KEY} again`, mode: 'textToVideo' }, KEY);
    await original.post('/api/sora-2/generate', '{"prompt": ', KEY);
    await send('/clock', { mode });
    const text = await exportAll(original, KEY);
    expect(JSON.parse(text)).toMatchObject({ account: { clock: { mode } }, verdict: { ok: false } });

    // At another time, which goes on.
    const clock = createTestClock(START_MS + 9_000_000_000);
    const opened = await open(writeDocument(text), clock);
    expect(await listKeys(opened)).toEqual([KEY]);
    const before = await opened.get(`/__admin/accounts/${KEY}/tasks`);
    opened.core.worker.start((error) => expect.unreachable(String(error)));
    clock.advance(3_600_000);
    expect(await exportAll(opened, KEY)).toBe(text);
    expect((await opened.get(`/__admin/accounts/${KEY}/tasks`)).body).toEqual(before.body);
    expect((await opened.get(`/__admin/accounts/${KEY}/ledger/verify`)).body.ok).toBe(true);
  });

  it('rejects every request that would change something', async () => {
    const path = writeDocument({ ...buildDocument({ key: KEY }), requests: [REQUEST] });
    const opened = await open(path);
    const text = (await opened.get(`/__admin/accounts/${KEY}/export?include=requests`)).text;
    const { paths } = (await opened.get('/__admin/openapi.json')).body;
    const operations = Object.entries<object>(paths).flatMap(([template, methods]) =>
      Object.keys(methods).map((method) => [method.toUpperCase(), template.replace('{key}', KEY)] as const),
    );
    const changes = operations.filter(([method]) => method !== 'GET');
    expect(changes.length).toBeGreaterThan(20);
    for (const [method, template] of changes) {
      const response = await opened.send(method, template.replace(/\{\w+\}/g, 'task_two'), { key: null, body: {} });
      expect(response, `${method} ${template}`).toMatchObject({
        ...{ status: 403, headers: { 'x-emulator-read-only': encodeURIComponent(path) } },
        body: { code: 'READ_ONLY', error: `This emulator is read-only: it shows ${path}.` },
      });
    }
    const api = (await opened.get('/openapi.json')).body;
    const url = await opened.listen();
    for (const template of [...Object.keys(api.paths), '/api/nothing']) {
      for (const key of [KEY, 'np_test_new']) {
        const { status, body } = await postJson(url, template, { taskId: 'task_two' }, key);
        expect([template, status, body.success, body.errorCode]).toEqual([template, 403, false, 'FORBIDDEN']);
      }
    }
    expect(await listKeys(opened)).toEqual([KEY]);
    expect((await opened.get(`/__admin/accounts/${KEY}/export?include=requests`)).text).toBe(text);
  });

  it('serves result files without a journal entry and without faults', async () => {
    const original = await createTestEmulator(['--clock', 'frozen']);
    const control = (path: string, body: object) => original.post(`/__admin/accounts/${KEY}${path}`, body, null);
    const { taskId } = (await original.post('/api/sora-2/generate', { prompt: 'a', mode: 'textToVideo' }, KEY)).body;
    await control('/clock/advance', { ms: 3_600_000 });
    await control('/faults', { at: 'media', effect: { errorCode: 'INTERNAL_ERROR' } });
    const text = await exportAll(original, KEY);

    const opened = await open(writeDocument(text));
    const { result } = (await opened.get(`/__admin/accounts/${KEY}/tasks/${taskId}`)).body;
    const { pathname } = new URL(result.videoUrl);
    for (const headers of [{}, { 'x-emulator-fault': 'fail' }]) {
      expect((await opened.send('GET', pathname, { key: null, headers })).status).toBe(200);
    }
    expect(await exportAll(opened, KEY)).toBe(text);
    expect((await opened.get('/metrics')).text).not.toContain('nanophoto_requests_total{');
  });

  it('leaves running synchronous tasks as they are', async () => {
    const document: Json = buildDocument({ key: KEY });
    document.tasks[1].synchronous = true;
    delete document.tasks[1].dueAt;
    const opened = await open(writeDocument(document));
    expect((await opened.get(`/__admin/accounts/${KEY}/tasks/task_two`)).body.status).toBe('processing');
  });

  it('finds the requests of the file with all filters, page by page', async () => {
    const opened = await open(writeDocument({ ...buildDocument({ key: KEY }), requests: [REQUEST, POLL] }));
    const read = async (rest: string) => (await opened.get(`/__admin/accounts/${KEY}/requests${rest}`)).body;
    expect(await read('')).toEqual({ requests: [REQUEST, POLL], next: null });
    expect(await read('?limit=1')).toEqual({ requests: [REQUEST], next: '3' });
    expect(await read('?limit=1&after=3')).toEqual({ requests: [POLL], next: null });
    expect(await read('/7')).toEqual(POLL);
    expect(await read('/4')).toMatchObject({ code: 'REQUEST_NOT_FOUND' });
    expect(await read('/wait?count=2')).toEqual(POLL);
    for (const [query, requests] of [
      ['path=/api/sora-2/generate', [REQUEST]],
      ['method=GET', []],
      ['status=404', [POLL]],
      ['errorCode=TASK_NOT_FOUND', [POLL]],
      ['taskId=task_one', [REQUEST]],
      ['contains=a cat', [REQUEST, POLL]],
      ['contains=task_one', [REQUEST, POLL]],
      ['contains=a dog', []],
      ['since=2026-01-15T12:00:30.000Z', [POLL]],
      ['until=2026-01-15T12:00:30.000Z', [REQUEST]],
    ] as const) {
      expect((await read(`?${query}`)).requests, query).toEqual(requests);
      expect((await read(`/count?${query}`)).count, query).toBe(requests.length);
    }
  });

  it('lists the activity in the file', async () => {
    const opened = await open(writeDocument({ ...buildDocument({ key: KEY }), requests: [REQUEST, POLL] }));
    const { accounts, requests } = (await opened.get('/__admin/activity')).body;
    expect(accounts).toEqual([
      { key: KEY, processing: 1, failed: 0, requestCount: 2, lastRequestAt: '2026-01-15T12:01:00.000Z' },
    ]);
    expect(requests).toMatchObject([
      { key: KEY, id: '7', requestId: 'r-3', receivedAt: '2026-01-15T12:01:00.000Z', status: 404 },
      { key: KEY, id: '3', receivedAt: '2026-01-15T12:00:00.000Z', path: '/api/sora-2/generate' },
    ]);
  });

  it('summarizes the requests and the verdict of the file', async () => {
    const finding = { code: 'POLLED_TOO_OFTEN', message: 'Task task_two was polled too often.', requests: ['7'] };
    const verdict = { ok: false, findings: [finding] };
    const opened = await open(writeDocument({ ...buildDocument({ key: KEY }), requests: [REQUEST, POLL], verdict }));
    const { text } = await opened.get(`/__admin/accounts/${KEY}/summary`);
    expect(text).toContain('\n## Findings about the client: 1\n');
    expect(text).toContain('\n| POLLED_TOO_OFTEN | Task task_two was polled too often. | 7 |\n');
    expect(text).toContain('\n## Requests: 2\n');
    expect(text).toContain('| POST /api/sora-2/check-status | 404 | TASK_NOT_FOUND |');
  });

  it('has an empty journal and no verdict if the file contains neither', async () => {
    const opened = await open(writeDocument(buildDocument({ key: KEY })));
    expect((await opened.get(`/__admin/accounts/${KEY}/requests`)).body.requests).toEqual([]);
    for (const path of ['verdict', 'summary', 'export?include=verdict']) {
      expect(await opened.get(`/__admin/accounts/${KEY}/${path}`), path).toMatchObject({
        status: 404,
        body: { code: 'VERDICT_NOT_FOUND', error: expect.stringContaining(`The file of ${KEY} has no verdict`) },
      });
    }
  });

  it('shows every account of a directory, and names those with the same key by their files', async () => {
    const documents = {
      'one test/account.json': buildDocument({ key: KEY }),
      'other test é/account.json': buildDocument({ key: KEY }),
      'third/account.json': buildDocument({ key: 'np_third' }),
      'account.json': buildDocument({ key: `${KEY}@one_test` }),
      // Neither is an artifact.
      'package.json': { name: 'package' },
      'third/report.json': '[]',
    };
    const keys = [`${KEY}@one_test`, `${KEY}@one_test-2`, `${KEY}@other_test__`, 'np_third'];
    expect(await listKeys(await open(writeFiles(documents)))).toEqual(keys);
  });

  it('shows the documents directly in a directory', async () => {
    const key = 'k'.repeat(200);
    const files = { 'a.json': buildDocument({ key }), 'b.json': buildDocument({ key }), 'c.txt': 'text' };
    const keys = await listKeys(await open(writeFiles(files)));
    expect(keys).toEqual([`${'k'.repeat(198)}-2`, key]);
  });

  it.each<[fault: string, change: (document: Json) => void, sentence: string]>([
    ['another version', (document) => (document.version = 2), 'version: expected 1; a newer emulator wrote version 2'],
    ['another format', (document) => (document.format = 'har'), 'format: '],
    ['without an account', (document) => delete document.account, 'account: it is missing'],
    ['without tasks', (document) => delete document.tasks, 'tasks: it is missing'],
    ['an unbalanced ledger', (document) => (document.ledger[2].balance = 3), 'ledger[2]'],
    ['a status that contradicts', (document) => (document.tasks[0].status = 'failed'), 'tasks[0].errorCode'],
    ['a request without a path', (document) => (document.requests = [{ ...REQUEST, path: 1 }]), 'requests[0].path'],
    [
      'an id twice',
      (document) => (document.requests = [REQUEST, REQUEST]),
      'requests[1].id: expected a whole number above 3',
    ],
    ['an id as text', (document) => (document.requests = [{ ...REQUEST, id: 'x' }]), 'requests[0].id: '],
    ['a request that is null', (document) => (document.requests = [null]), 'requests[0]: '],
    ['requests that are not a list', (document) => (document.requests = {}), 'requests: expected a list'],
    ['findings that are not a list', (document) => (document.verdict = { ok: true, findings: {} }), 'verdict.findings'],
  ])('names the file and the fault: %s', async (_fault, change, sentence) => {
    const document = buildDocument();
    change(document);
    const path = writeDocument(document);
    expect(await readSentence(() => openFiles(createTestCore(), findFiles(path)))).toContain(
      `${path} cannot be opened: ${sentence}`,
    );
  });

  it('closes its database if a file is invalid', async () => {
    const flags = ['--data-dir', tempDir()];
    const options = { filesToOpen: findFiles(writeDocument('[]')) };
    await expect(createTestEmulator(flags, createTestClock(), undefined, options)).rejects.toThrow('cannot be opened');
    // This would fail while the same directory is open.
    await createTestEmulator(flags);
  });

  it.each([
    ['an empty file', '', 'document: the document is cut short here'],
    ['a list', '[]', 'document: not valid JSON'],
    ['the first half', JSON.stringify(buildDocument()).slice(0, 800), 'the document is cut short here'],
    ['text that is not JSON', 'one, two', 'document: not valid JSON'],
  ])('names the file in a directory and the fault: %s', async (_fault, text, sentence) => {
    const dir = writeFiles({ 'good/account.json': buildDocument(), 'wrong/account.json': text });
    const read = await readSentence(() => openFiles(createTestCore(), findFiles(dir)));
    expect(read).toContain(`${join(dir, 'wrong/account.json')} cannot be opened: `);
    expect(read).toContain(sentence);
  });

  it('names a file that cannot be read, and a directory without documents', async () => {
    const read = (path: string) => readSentence(() => openFiles(createTestCore(), findFiles(path)));
    const dir = writeFiles({ 'notes.txt': '', 'directory/account.json/x': '' });
    const missing = join(dir, 'missing.json');
    expect(await read(missing)).toBe(
      `${missing} cannot be read: ENOENT: no such file or directory, stat '${missing}'.`,
    );
    expect(await read('/dev/zero')).toBe('/dev/zero cannot be read: it is not a regular file.');
    expect(await read(dir)).toBe(`${dir}/directory/account.json cannot be read: it is not a regular file.`);
    const empty = tempDir();
    expect(await read(empty)).toBe(`${empty} has neither */account.json nor *.json to open.`);
  });
});
