import { describe, expect, it, vi } from 'vitest';
import type { Rule } from '../../../src/core/faults/fault-rules.ts';
import { createTestEmulator } from '../../support/emulator.ts';
import { sendRawBytes } from '../../support/raw-http.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const PROMPT = '/api/sora-2/generate-prompt';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };
const TEAPOT = {
  status: 418,
  text: '{"b" :1.0,\n"a":"é 🫖" ,"errorCode":"TEAPOT"}',
  contentType: 'application/problem+json',
  headers: { 'X-Odd': 'a\tb; c="d"', 'Retry-After': '7' },
};

/** Starts a listening emulator with one fault rule for its account. */
async function listening(at: Rule['at'], answer: object, more: object = {}) {
  const emulator = await createTestEmulator();
  const { id } = emulator.createAccount('k', { clock: { mode: 'frozen' } });
  const { status } = await emulator.send('POST', '/__admin/accounts/k/faults', {
    key: null,
    body: { at, effect: { answer }, times: 1, ...more },
  });
  expect(status).toBe(201);
  const { port } = new URL(await emulator.app.listen({ port: 0, host: '127.0.0.1' }));
  const ask = async (path: string, body: object) => {
    const text = JSON.stringify(body);
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer k\r\n`;
    const framing = `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n`;
    const { bytes } = await sendRawBytes(port, head + framing + text);
    const end = bytes.indexOf('\r\n\r\n');
    const [line, ...headers] = bytes.subarray(0, end).toString('latin1').split('\r\n');
    return { line, headers, text: bytes.subarray(end + 4).toString() };
  };
  const kinds = () => emulator.core.ledger.entries(id, 10).map(({ kind }) => kind);
  return { ...emulator, id, ask, kinds };
}

describe('canned responses', () => {
  it.each([
    ['request', ['grant']],
    ['charge', ['grant']],
    ['accepted', ['grant', 'hold']],
  ] as const)(
    'are sent byte for byte by a rule at %s, without headers of the emulator except x-request-id',
    async (at, entries) => {
      const { ask, kinds } = await listening(at, TEAPOT);
      const answer = await ask(GENERATE, VALID);
      expect(answer.line).toBe("HTTP/1.1 418 I'm a Teapot");
      expect(answer.text).toBe(TEAPOT.text);
      expect(answer.headers.filter((header) => !/^(Date|Connection|x-request-id):/i.test(header)).sort()).toEqual(
        [
          `content-length: ${Buffer.byteLength(TEAPOT.text)}`,
          'content-type: application/problem+json',
          'retry-after: 7',
          'x-odd: a\tb; c="d"',
        ].sort(),
      );
      expect(kinds()).toEqual(entries);
      // The rule has `times: 1`.
      expect((await ask(GENERATE, VALID)).line).toBe('HTTP/1.1 200 OK');
    },
  );

  it('are not replaced by a rule at accepted when their status is 200', async () => {
    const { ask, core, kinds, id } = await listening('request', { status: 200, body: { success: true } });
    core.faults.add(id, { match: {}, at: 'accepted', effect: { errorCode: 'INTERNAL_ERROR' } });
    expect((await ask(GENERATE, VALID)).text).toBe('{"success":true}');
    expect(kinds()).toEqual(['grant']);
  });

  it('can have an x-request-id of their own', async () => {
    const { ask } = await listening('request', { status: 418, text: '', headers: { 'X-Request-Id': 'tea' } });
    const { headers } = await ask(GENERATE, VALID);
    expect(headers.filter((header) => /^x-request-id/i.test(header))).toEqual(['x-request-id: tea']);
  });

  it('replace errors, polls and streamed texts', async () => {
    const { ask, kinds } = await listening('request', { status: 503, text: 'away' }, { times: 3 });
    for (const [path, body] of [
      [GENERATE, {}],
      [CHECK, { taskId: 'task_x' }],
      [PROMPT, { topic: 'tea' }],
    ] as const) {
      expect(await ask(path, body)).toMatchObject({ line: 'HTTP/1.1 503 Service Unavailable', text: 'away' });
    }
    expect(kinds()).toEqual(['grant']);
  });

  it('at accepted leave a streamed text charged', async () => {
    const { ask, kinds } = await listening('accepted', { status: 200, text: 'other words' });
    expect((await ask(PROMPT, { topic: 'tea' })).text).toBe('other words');
    await vi.waitUntil(() => kinds().length === 3);
    expect(kinds()).toEqual(['grant', 'hold', 'capture']);
  });

  it('have a default content type by their body, and none without a body', async () => {
    const { ask, core, id } = await listening('request', { status: 202, body: null });
    for (const answer of [{ status: 202, text: 'x' }, { status: 204 }, { status: 500 }])
      core.faults.add(id, { match: {}, at: 'request', effect: { answer }, times: 1 });
    const types: unknown[] = [];
    for (let n = 0; n < 4; n++) {
      const { headers, text } = await ask(GENERATE, VALID);
      types.push([headers.find((header) => header.startsWith('content-type')), text]);
    }
    expect(types).toEqual([
      ['content-type: application/json; charset=utf-8', 'null'],
      ['content-type: text/plain; charset=utf-8', 'x'],
      [undefined, ''],
      [undefined, ''],
    ]);
  });

  it('can be delayed, truncated and corrupted', async () => {
    const { core, id, ask } = await listening('request', { status: 200, body: 'abc' });
    core.faults.clear(id);
    const answer = { status: 200, body: 'abcdef' };
    core.faults.add(id, {
      match: {},
      at: 'request',
      effect: { delayMs: 0, answer, truncateAfter: 3 },
      times: 1,
    });
    core.faults.add(id, { match: {}, at: 'charge', effect: { answer, malformed: true }, times: 1 });
    expect(await ask(GENERATE, VALID)).toMatchObject({
      text: '"ab',
      headers: expect.arrayContaining(['content-length: 8']),
    });
    expect((await ask(GENERATE, VALID)).text).toBe('"abc<');
  });

  it('are in the journal with the id of their rule and with their error code', async () => {
    const { ask, get } = await listening('request', TEAPOT);
    await ask(GENERATE, VALID);
    const [entry] = (await get('/__admin/accounts/k/requests')).body.requests;
    expect(entry).toMatchObject({ status: 418, errorCode: 'TEAPOT', fault: expect.stringMatching(/^\d+$/) });
    expect(entry.response.body).toBe(TEAPOT.text);
  });

  it.each([
    [{ status: 199 }, /answer\.status: expected a whole number from 200 to 599/],
    [{}, /effect\.answer\.status/],
    [{ status: 200, body: 1, text: '1' }, /answer\.text: expected either body or text/],
    [{ status: 204, text: 'x' }, /answer\.text: not allowed with status 204/],
    [{ status: 200, boddy: 1 }, /Unknown field "boddy"; the fields are status, body, text, headers, contentType/],
    [
      { status: 200, headers: { 'x-a': 'b\r\nset-cookie: c=d' } },
      /headers\.x-a: expected at most 8192 visible ASCII characters/,
    ],
    [{ status: 200, headers: { 'x-a': 'b\nc' } }, /headers\.x-a/],
    [{ status: 200, headers: { 'x-a': 'b\0' } }, /headers\.x-a/],
    [{ status: 200, headers: { 'x-a': 'ÿ' } }, /headers\.x-a/],
    [{ status: 200, headers: { 'x-a': 5 } }, /headers\.x-a/],
    [{ status: 200, headers: { 'x a': 'b' } }, /headers/],
    [{ status: 200, headers: { 'x-a:b\r\n': 'b' } }, /headers/],
    [{ status: 200, headers: { '': 'b' } }, /headers/],
    [{ status: 200, headers: JSON.parse('{"__proto__":"b"}') }, /headers: expected no header named __proto__/],
    [{ status: 200, headers: { 'Transfer-Encoding': 'chunked' } }, /headers/],
    [{ status: 200, headers: { 'content-length': '1' } }, /headers/],
    [{ status: 200, headers: { Connection: 'close' } }, /headers/],
    [{ status: 200, headers: { 'Content-Type': 'a/b' } }, /headers/],
    [{ status: 200, contentType: 'a/b\r\nx: y' }, /answer\.contentType/],
    [{ status: 200, contentType: '' }, /answer\.contentType/],
  ])('are rejected when a rule is created with %j', async (answer, sentence) => {
    const { send } = await createTestEmulator();
    const refused = await send('POST', '/__admin/faults', {
      key: null,
      body: { at: 'request', effect: { answer } },
    });
    expect(refused).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
    expect(refused.body.error).toMatch(sentence);
  });

  it('are rejected when their size in bytes exceeds the limit', async () => {
    const { send } = await createTestEmulator();
    const getError = async (answer: object) => {
      const body = { at: 'request', effect: { answer: { status: 200, ...answer } } };
      return (await send('POST', '/__admin/faults', { key: null, body })).body.error;
    };
    expect(await getError({ text: 'é'.repeat(32 * 1024) })).toBeUndefined();
    expect(await getError({ text: 'é'.repeat(32 * 1024 + 1) })).toContain('text: expected 65536 bytes at most');
    expect(await getError({ body: 'x'.repeat(64 * 1024 - 1) })).toContain('body: expected 65536 bytes at most');
    expect(await getError({ headers: { 'x-a': 'b'.repeat(8193) } })).toContain('headers.x-a');
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`x-${n}`, '']));
    expect(await getError({ headers: many })).toContain('headers: expected 50 headers at most');
  });

  it('are rejected next to an error, at stages that have none, and when nested too deep', async () => {
    const { send, core } = await createTestEmulator();
    const answer = { status: 200 };
    const set = (body: unknown) => send('POST', '/__admin/faults', { key: null, body });
    for (const effect of [
      { answer, errorCode: 'INTERNAL_ERROR' },
      { answer, fail: true },
      { answer, status: 500 },
    ]) {
      expect((await set({ at: 'request', effect })).body.error).toContain('not allowed together with answer');
    }
    for (const at of ['task', 'stream', 'media']) expect((await set({ at, effect: { answer } })).status).toBe(400);
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    expect((await set(`{"at":"request","effect":{"answer":{"status":200,"body":${deep}}}}`)).status).toBe(400);
    expect(core.faults.isEmpty()).toBe(true);
  });
});
