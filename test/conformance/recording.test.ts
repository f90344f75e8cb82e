import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../src/conformance/case-context.ts';
import { createExchangeLog } from '../../src/conformance/recordings/exchange-log.ts';
import { createRecorder } from '../../src/conformance/recordings/recorder.ts';
import { createRedactor } from '../../src/http/redaction.ts';
import { readSamples } from '../../src/openapi/wire-samples.ts';
import { serveEmulator } from '../support/emulator.ts';
import { startService } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { runToolCommand } from '../support/tools.ts';

const CASE_INFO = { id: 'sora-2/some-case', name: 'it is so', provenance: 'documented' as const, isFree: false };
const VIDEO = Buffer.from('not really a video, but long enough to be one: '.repeat(10));

const createLog = (keys: string[] = []) =>
  createExchangeLog({
    url: 'https://me:secret@example.com/base/?key=secret',
    keys,
    nowMs: () => Date.UTC(2026, 0, 2),
    getFourSecondVideo: () => VIDEO,
  });

const createExchange = (text: string, more: Partial<Exchange> = {}, headers: object = {}): Exchange => {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {}
  const response = {
    status: 200,
    headers: new Headers(headers as Record<string, string>),
    ...{ text, body, isWhole: true, isCut: false },
  };
  return { method: 'POST', path: '/api/x', requestBody: {}, isRawText: false, key: null, response, ...more };
};

describe('recorded exchange', () => {
  it('has the request, the response, the time and the source, but no credentials', () => {
    const json = { 'content-type': 'application/json', 'x-ratelimit-remaining': '7', 'set-cookie': 'a=b' };
    const sample = createLog().add(
      createExchange('{"a":1}', { requestBody: { prompt: 'a dog' }, key: 'the-key' }, json),
      CASE_INFO,
    );
    expect(sample).toEqual({
      name: 'it is so',
      source: 'Recorded from https://example.com/base',
      provenance: 'recorded',
      recordedAt: '2026-01-02T00:00:00.000Z',
      case: 'sora-2/some-case',
      exchange: 1,
      request: { path: '/api/x', body: { prompt: 'a dog' } },
      response: {
        status: 200,
        contentType: 'application/json',
        headers: { 'x-ratelimit-remaining': '7' },
        body: { a: 1 },
      },
    });
  });

  it('has a method other than POST, a request that is not JSON, and the exact text of unusual JSON', () => {
    const log = createLog();
    expect(log.add(createExchange('', { method: 'GET', requestBody: undefined }), CASE_INFO)).toMatchObject({
      request: { method: 'GET', path: '/api/x' },
      response: { status: 200, text: '' },
    });
    expect(log.add(createExchange('{"a": 1.0}', { requestBody: '{"b":', isRawText: true }), CASE_INFO)).toMatchObject({
      exchange: 2,
      request: { path: '/api/x', text: '{"b":' },
      response: { body: { a: 1 }, text: '{"a": 1.0}' },
    });
  });

  it('replaces the previous poll while the task is in progress', () => {
    const log = createLog();
    const poll = (status: string) => createExchange(JSON.stringify({ status }), { requestBody: { taskId: 'task_a' } });
    const recorded = ['processing', 'processing', 'completed', 'completed'].map((status) => {
      const { exchange, response } = log.add(poll(status), CASE_INFO)!;
      return [exchange, response.body.status];
    });
    expect(recorded).toEqual([
      [1, 'processing'],
      [1, 'processing'],
      [1, 'completed'],
      [2, 'completed'],
    ]);
  });

  it('is omitted when the response is incomplete', () => {
    const { response, ...rest } = createExchange('half of it');
    expect(createLog().add({ ...rest, response: { ...response, isWhole: false } }, CASE_INFO)).toBeUndefined();
  });

  it('has placeholders instead of uploads, even in a response that repeats them', () => {
    const [video, other] = [VIDEO.toString('base64'), Buffer.from('Some 1 other '.repeat(40)).toString('base64')];
    const prompt = `a ${'long '.repeat(100)}prompt`;
    const sent = {
      videoFile: video,
      images: [other, `data:image/png;base64,${other}`],
      prompt,
      topic: 'a'.repeat(500),
    };
    const sample = createLog().add(
      createExchange(JSON.stringify({ echo: `<${video}>${other}` }), { requestBody: sent }),
      CASE_INFO,
    )!;
    expect(sample.request.body).toEqual({
      videoFile: '{{video of 4 s}}',
      images: ['{{file of 520 bytes}}', 'data:image/png;base64,{{file of 520 bytes}}'],
      prompt,
      topic: 'a'.repeat(500),
    });
    expect(sample.response.body.echo).toBe('<{{video of 4 s}}>{{file of 520 bytes}}');
  });
});

describe('redaction of keys', () => {
  // Without quotation marks, which could match the quotation marks of the file.
  const key = fc.stringMatching(/^[!#-~]{8,40}$/);
  const FORMS: ((key: string) => string)[] = [
    (key) => key,
    (key) => key.toUpperCase(),
    (key) => encodeURIComponent(key),
    (key) => encodeURIComponent(encodeURIComponent(key)),
    (key) => JSON.stringify(key).slice(1, -1),
    (key) => JSON.stringify(JSON.stringify(key)),
    (key) => Array.from(key, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
    (key) => Array.from(key, (one) => `&#${one.charCodeAt(0)};`).join(''),
    (key) => key.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;'),
  ];
  const ENCODED: ((key: string) => string)[] = [
    (key) => Buffer.from(key).toString('base64'),
    (key) => Buffer.from(`u:${key}`).toString('base64'),
    (key) => Buffer.from(`me:${key}\n`).toString('base64url'),
    (key) => Buffer.from(key).toString('hex'),
  ];

  /** Everything that a reader of a file could make of it. */
  function decodeAll(text: string): string[] {
    const unescaped = text
      .replaceAll(/\\+u([0-9a-f]{4})/gi, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)))
      .replaceAll(/&#(\d+);/g, (_, digits) => String.fromCharCode(Number(digits)))
      .replaceAll('&lt;', '<')
      .replaceAll('&quot;', '"')
      .replaceAll('&amp;', '&');
    const decodePercent = (from: string) => {
      const percent = from.replaceAll(/(?:%[0-9a-f]{2})+/gi, (all) =>
        Buffer.from(all.replaceAll('%', ''), 'hex').toString(),
      );
      return [
        from,
        percent,
        percent.replaceAll(/%([0-9a-f]{2})/gi, (_, two) => String.fromCharCode(Number.parseInt(two, 16))),
      ];
    };
    return [text, unescaped, unescaped.replaceAll('\\', '')].flatMap(decodePercent);
  }

  it('removes them from every file, however the server encodes them', () => {
    fc.assert(
      fc.property(key, fc.constantFrom(...FORMS, ...ENCODED), fc.boolean(), (key, form, isJson) => {
        const log = createLog();
        const echo = form(key);
        const prompt = `a dog with ${key}, and again ${form(key)}`;
        const response = { prompt, [echo]: [echo, { deep: `${echo}${echo}` }], number: 12 };
        const text = isJson ? JSON.stringify(response) : `<p>${echo}</p> ${prompt}`;
        const headers = { 'x-ratelimit-limit': key, 'content-type': `text/${key.replaceAll(/\W/g, '')}` };
        const sample = log.add(
          createExchange(text, { requestBody: { prompt }, key, path: `/api/${echo}` }, headers),
          CASE_INFO,
        )!;
        const file = JSON.stringify(sample, null, 2);
        const strings: string[] = [];
        JSON.stringify(sample, (name, value) => {
          strings.push(name, String(value));
          return value;
        });
        const decoded = [file, ...strings].flatMap(decodeAll).map((one) => one.toLowerCase());
        expect(decoded.filter((one) => one.includes(key.toLowerCase()))).toEqual([]);
        for (const encode of ENCODED.slice(0, 1)) {
          const inner = encode(key).replace(/.?=+$/, '');
          expect(strings.filter((one) => one.includes(inner))).toEqual([]);
        }
        expect(file).toContain('[key]');
      }),
      { numRuns: 200 },
    );
  });

  it.each(['\\', '%25', '&amp;', '0', '&#0'])('takes little time for long runs of %s', (run) => {
    const text = run.repeat(200_000);
    const kept = JSON.stringify(createLog().add(createExchange(text, { key: 'sk-secret-1234' }), CASE_INFO));
    expect(kept).toContain(run.replace('\\', '\\\\').repeat(1000));
  });

  // id: redaction-takes-linear-time
  it.each(['\\', '\\\\u005c', '%5c'])('takes little time for keys with long runs of backslashes in %s', (run) => {
    const redact = createRedactor([`np_test_${'\\'.repeat(100)}x`]);
    const text = `np_test_${run.repeat(100_000)}`;
    expect(redact(text)).toBe(text);
    for (const found of [`np_test_${'\\'.repeat(100)}x`, `np_test_${run.repeat(100)}x`]) {
      expect(redact(`a ${found} b`)).toBe('a [key] b');
    }
  });

  it('covers keys that no request uses, and keys in numbers', () => {
    const log = createLog(['other-key', '1234567890']);
    const sample = log.add(
      createExchange('{"a":1234567890,"b":"x other-key"}', { key: 'other-key-longer' }),
      CASE_INFO,
    )!;
    expect(sample.response.body).toEqual({ a: '[key]', b: 'x [key]' });
  });
});

describe('verify --record', () => {
  /** Echoes the key and the body of each request. */
  const service = () =>
    startService((body, { headers }, response) => {
      response.writeHead(418, {
        'content-type': 'application/json',
        'x-ratelimit-limit': '100',
        'x-you': '1',
      });
      const you = headers.authorization ?? null;
      response.end(JSON.stringify({ you, said: body, errorCode: 'TEAPOT' }));
    });
  const KEY = 'np_live_0123456789';
  const runRecord = (url: string, dir: string) =>
    runToolCommand('verify', '--base-url', url, '--key', KEY, '--only', 'sora-2/generate', '--record', dir);

  it('writes a file for each response, with the time and without the key', async () => {
    const url = await service();
    const dir = join(tempDir(), 'new/er');
    const { code, stderr } = await runRecord(url, dir);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    const samples = readSamples(dir);
    expect(samples.length).toBeGreaterThan(20);
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));
    for (const file of files) expect(readFileSync(join(dir, file), 'utf8')).not.toContain(KEY);
    expect(samples.find(({ id }) => id === 'sora-2/generate/not-json')).toEqual({
      id: 'sora-2/generate/not-json',
      name: '/api/sora-2/generate: a body that is not JSON is rejected',
      source: `Recorded from ${url}`,
      provenance: 'recorded',
      recordedAt: expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/),
      case: 'sora-2/generate/not-json',
      exchange: 1,
      request: { path: '/api/sora-2/generate', text: '{"prompt":' },
      response: {
        status: 418,
        contentType: 'application/json',
        headers: { 'x-ratelimit-limit': '100' },
        body: { you: 'Bearer [key]', said: '{"prompt":', errorCode: 'TEAPOT' },
      },
    });
  });

  it('records every exchange of an emulator in a file of its case, and replaces earlier recordings', async () => {
    const url = await serveEmulator();
    const dir = tempDir();
    const only = 'nano-banana-2/check,nano-banana-2/generate,sora-2/check';
    const runVerify = () => runToolCommand('verify', '--base-url', url, '--only', only, '--record', dir);
    expect((await runVerify()).code).toBe(0);
    const readIds = () => readSamples(dir).map(({ id, case: caseId, exchange }) => [id, caseId, exchange]);
    const first = readIds();
    expect(first.filter(([, , exchange]) => exchange === 2).length).toBeGreaterThan(5);
    for (const [id, caseId, exchange] of first)
      expect(id).toBe(`${String(caseId).replaceAll(':', '_')}${exchange === 1 ? '' : `-${exchange}`}`);
    expect(JSON.stringify(readSamples(dir))).not.toMatch(/np_verify_|[Aa]uthorization/);
    // An exchange that only the earlier recording has.
    const [id] = first.find(([, , exchange]) => exchange === 2)!;
    const older = { ...JSON.parse(readFileSync(join(dir, `${id}.json`), 'utf8')), exchange: 9 };
    writeFileSync(join(dir, `${String(id).replace(/-2$/, '-9')}.json`), JSON.stringify(older));
    expect((await runVerify()).code).toBe(0);
    expect(readIds()).toEqual(first);
  });

  it('does not overwrite a file that is not a recording, and sends no request then', async () => {
    let requestCount = 0;
    const url = await startService((_body, _request, response) => {
      requestCount += 1;
      response.end();
    });
    const dir = tempDir();
    mkdirSync(join(dir, 'sora-2/generate'), { recursive: true });
    const foreign = join(dir, 'sora-2/generate/not-json.json');
    writeFileSync(foreign, '{"mine":true}');
    const { code, stdout, stderr } = await runRecord(url, dir);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      `nanophoto-emulator: ${foreign} is not a recording of sora-2/generate/not-json and is not overwritten; choose another directory.\n`,
    );
    expect(readFileSync(foreign, 'utf8')).toBe('{"mine":true}');
    expect(requestCount).toBe(0);
  });

  it('exits with one sentence when the directory is not writable', async () => {
    const url = await service();
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    for (const dir of [file, join(file, 'below')]) {
      const { code, stdout, stderr } = await runRecord(url, dir);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^nanophoto-emulator: \S+file is a file; choose a directory\.\n$/);
    }
    expect((await runToolCommand('verify', '--record')).stderr).toContain(
      '--record needs a value; nanophoto-emulator verify --help describes it.',
    );
  });

  it('continues after a file conflict, and fails at the end', () => {
    const dir = tempDir();
    const recorder = createRecorder(dir, [CASE_INFO.id], createLog());
    recorder.onExchange(createExchange('{}'), CASE_INFO);
    writeFileSync(join(dir, 'sora-2/some-case-2.json'), '[]');
    recorder.onExchange(createExchange('{}'), CASE_INFO);
    expect(() => recorder.end()).toThrow(/some-case-2\.json is not a recording of sora-2\/some-case/);
    expect(readFileSync(join(dir, 'sora-2/some-case-2.json'), 'utf8')).toBe('[]');
  });
});
