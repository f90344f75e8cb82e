import { connect } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import type { Rule } from '../../../src/core/faults/fault-rules.ts';
import { chunkText } from '../../../src/families/kit/text-stream.ts';
import { createTestEmulator } from '../../support/emulator.ts';
import { sendRawBytes } from '../../support/raw-http.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const PROMPT = '/api/sora-2/generate-prompt';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };
const TOPIC = { topic: 'a lighthouse', locale: 'ja' };

/** Starts a listening emulator and returns functions for raw requests. */
async function listening(rule?: Rule) {
  const emulator = await createTestEmulator();
  const account = emulator.createAccount('k', { clock: { mode: 'frozen' } });
  if (rule) emulator.core.faults.add(account.id, rule);
  const url = await emulator.app.listen({ port: 0, host: '127.0.0.1' });
  const kinds = () => emulator.core.ledger.entries(account.id, 20).map(({ kind }) => kind);

  /** Sends a request; returns all bytes of the response and how the connection ended. */
  function raw(path: string, body: object): Promise<{ bytes: Buffer; end: string }> {
    const text = JSON.stringify(body);
    return sendRawBytes(
      new URL(url).port,
      `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
  }
  const bodyOf = (bytes: Buffer) => bytes.subarray(bytes.indexOf('\r\n\r\n') + 4);
  return { ...emulator, id: account.id, url, raw, kinds, bodyOf };
}

const at = (stage: Rule['at'], effect: Rule['effect'], more: Partial<Rule> = {}): Rule => ({
  match: {},
  at: stage,
  effect,
  ...more,
});

describe('fault rules', () => {
  it('respond with any documented error code, with its documented status or a given one', async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k');
    core.faults.add(id, at('request', { errorCode: 'INTERNAL_ERROR' }, { times: 1 }));
    core.faults.add(id, at('request', { errorCode: 'AI_SERVICE_ERROR', status: 502 }, { times: 1 }));
    expect(await post(GENERATE, VALID, 'k')).toMatchObject({
      status: 500,
      text: '{"success":false,"error":"Internal server error","errorCode":"INTERNAL_ERROR"}',
    });
    // An error code of another family has that family's message.
    expect(await post(GENERATE, VALID, 'k')).toMatchObject({
      status: 502,
      body: {
        error: 'AI service temporarily unavailable. Please try again later.',
        errorCode: 'AI_SERVICE_ERROR',
      },
    });
    expect((await post(GENERATE, VALID, 'k')).status).toBe(200);
  });

  it('fire after a number of requests, a number of times', async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k');
    core.faults.add(id, at('request', { errorCode: 'INTERNAL_ERROR' }, { after: 2, times: 2 }));
    const statuses: number[] = [];
    for (let n = 0; n < 6; n++) statuses.push((await post(CHECK, { taskId: 'x' }, 'k')).status);
    expect(statuses).toEqual([404, 404, 500, 500, 404, 404]);
    expect(core.faults.list(id)).toMatchObject([{ fired: 2 }]);
  });

  it('fire with a probability, reproducibly for the same seed', async () => {
    const run = async (seed: string) => {
      const { post, core, createAccount } = await createTestEmulator();
      const { id } = createAccount('k', { rateLimit: null });
      core.faults.add(id, at('request', { errorCode: 'INTERNAL_ERROR' }, { probability: 0.3, seed }));
      const hits: boolean[] = [];
      for (let n = 0; n < 200; n++) hits.push((await post(CHECK, { taskId: 'x' }, 'k')).status === 500);
      return hits;
    };
    const first = await run('one');
    expect(await run('one')).toEqual(first);
    expect(await run('other')).not.toEqual(first);
    const count = first.filter(Boolean).length;
    expect(count).toBeGreaterThan(35);
    expect(count).toBeLessThan(85);
  });

  it('match family, endpoint and text', async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k');
    const boom = { errorCode: 'INTERNAL_ERROR' };
    core.faults.add(id, { match: { family: 'veo-3' }, at: 'request', effect: boom });
    core.faults.add(id, { match: { endpoint: CHECK }, at: 'request', effect: boom });
    core.faults.add(id, { match: { contains: 'dragon' }, at: 'request', effect: boom });
    expect((await post('/api/veo-3/check-status', { taskIds: [] }, 'k')).status).toBe(500);
    expect((await post(CHECK, { taskId: 'x' }, 'k')).status).toBe(500);
    expect((await post(GENERATE, VALID, 'k')).status).toBe(200);
    expect((await post(GENERATE, { ...VALID, prompt: 'a dragon' }, 'k')).status).toBe(500);
    expect((await post(GENERATE, { ...VALID, prompt: 'a dragon' }, 'np_test_other')).status).toBe(200);
  });

  it('are tried in the order of creation, those of the account before global ones', async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k');
    core.faults.add(null, at('request', { errorCode: 'INTERNAL_ERROR' }));
    core.faults.add(id, at('request', { errorCode: 'GENERATION_FAILED' }, { times: 1 }));
    core.faults.add(id, at('request', { errorCode: 'TASK_NOT_FOUND' }, { times: 1 }));
    const codes: string[] = [];
    for (let n = 0; n < 3; n++) codes.push((await post(GENERATE, VALID, 'k')).body.errorCode);
    expect(codes).toEqual(['GENERATION_FAILED', 'TASK_NOT_FOUND', 'INTERNAL_ERROR']);
    expect((await post(GENERATE, VALID, 'np_test_other')).body.errorCode).toBe('INTERNAL_ERROR');
  });

  it('at charge reject a valid request without charging it, with the price in the response', async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k');
    core.faults.add(id, at('charge', { errorCode: 'INSUFFICIENT_CREDITS' }));
    expect((await post(GENERATE, {}, 'k')).body.errorCode).toBe('PROMPT_REQUIRED');
    expect((await post(GENERATE, VALID, 'k')).text).toBe(
      '{"error":"Insufficient credits","errorCode":"INSUFFICIENT_CREDITS","requiredCredits":4}',
    );
    expect((await post(PROMPT, TOPIC, 'k')).body.requiredCredits).toBe(2);
    expect(core.accounts.get(id)).toMatchObject({ balance: 1000, taskCount: 0 });
    // Rules at `charge` do not apply to polls.
    expect((await post(CHECK, { taskId: 'x' }, 'k')).status).toBe(404);
  });

  it.each(['request', 'charge', 'accepted'] as const)(
    'at %s inject INSUFFICIENT_CREDITS with the price',
    async (stage) => {
      const { post, core, createAccount } = await createTestEmulator();
      const { id } = createAccount('k', { clock: { mode: 'frozen' } });
      core.faults.add(id, at(stage, { errorCode: 'INSUFFICIENT_CREDITS' }));
      expect((await post(GENERATE, VALID, 'k')).text).toBe(
        '{"error":"Insufficient credits","errorCode":"INSUFFICIENT_CREDITS","requiredCredits":4}',
      );
      const answer = await post(PROMPT, TOPIC, 'k');
      expect([answer.status, answer.body]).toEqual([
        402,
        {
          success: false,
          error: 'Insufficient credits. Required: 2 credits for prompt generation.',
          errorCode: 'INSUFFICIENT_CREDITS',
          requiredCredits: 2,
        },
      ]);
      // Polls have no price.
      if (stage === 'request') expect((await post(CHECK, { taskId: 'x' }, 'k')).status).toBe(402);
    },
  );

  it('at task fail a watermark removal with their error code', async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k', { clock: { mode: 'frozen' } });
    core.faults.add(id, at('task', { errorCode: 'SERVICE_UNAVAILABLE' }));
    const share_link = 'https://sora.chatgpt.com/p/s_1';
    expect(await post('/api/sora/remove-watermark', { share_link }, 'k')).toMatchObject({
      status: 503,
      body: { errorCode: 'SERVICE_UNAVAILABLE' },
    });
    expect(core.tasks.list(id, 10)).toMatchObject([{ status: 'failed', errorCode: 'SERVICE_UNAVAILABLE' }]);
  });

  it('at task make a task fail, hang or take a given time', async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k', { clock: { mode: 'frozen' } });
    core.faults.add(id, at('task', { fail: true }, { times: 1 }));
    core.faults.add(id, at('task', { hang: true }, { times: 1 }));
    core.faults.add(id, at('task', { durationMs: 7000 }, { times: 1 }));
    const submit = async () => (await post(GENERATE, VALID, 'k')).body.taskId as string;
    const [fails, hangs, lasts] = [await submit(), await submit(), await submit()];
    const status = async (taskId: string) => (await post(CHECK, { taskId }, 'k')).body;
    core.timeline.advance(id, 6999);
    expect(await status(lasts)).toMatchObject({ status: 'processing' });
    core.timeline.advance(id, 1);
    expect(await status(lasts)).toMatchObject({ status: 'completed', generationTime: 7 });
    core.timeline.advance(id, 86_400_000);
    expect(await status(fails)).toMatchObject({ status: 'failed', errorCode: 'GENERATION_FAILED' });
    expect(await status(hangs)).toMatchObject({ status: 'processing' });
    expect(core.ledger.held(id)).toBe(4);
    expect(core.ledger.verify(id)).toEqual([]);
    expect(core.tasks.fail(id, hangs, 'BY_HAND')).toBe(true);
    expect(core.accounts.get(id).balance).toBe(996);
  });

  it('at task match each shot by its own text', async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k', { clock: { mode: 'frozen' } });
    core.faults.add(id, at('task', { fail: true }, { match: { contains: 'fire' } }));
    const shot = (shotId: string, prompt: string) => ({
      id: shotId,
      prompt,
      generationType: 'TEXT_2_VIDEO',
      aspectRatio: '16:9',
    });
    const shots = [shot('a', 'water'), shot('b', 'fire'), shot('c', 'air')];
    await post('/api/veo-3/generate', { shots }, 'k');
    core.timeline.advance(id, 86_400_000);
    expect(core.tasks.list(id, 10).map(({ status }) => status)).toEqual(['completed', 'failed', 'completed']);
  });
});

describe('lost and changed responses', () => {
  it.each([
    ['reset', { reset: true }, 'ECONNRESET'],
    ['empty', { empty: true }, 'closed'],
  ] as const)('send nothing for %s, at any stage', async (_name, effect, end) => {
    for (const stage of ['request', 'charge', 'accepted'] as const) {
      const { raw, kinds } = await listening(at(stage, effect));
      expect(await raw(GENERATE, VALID)).toEqual({ bytes: Buffer.alloc(0), end });
      expect(kinds()).toEqual(stage === 'accepted' ? ['grant', 'hold'] : ['grant']);
    }
  });

  it('truncate a response and keep the Content-Length of the whole', async () => {
    const { raw, bodyOf, kinds } = await listening(at('accepted', { truncateAfter: 17 }));
    const { bytes } = await raw(GENERATE, VALID);
    expect(bodyOf(bytes).toString()).toBe('{"success":true,"');
    expect(bytes.toString()).toMatch(/content-length: 12\d\r\n/i);
    expect(kinds()).toEqual(['grant', 'hold']);
  });

  it('corrupt a response so that it is not JSON', async () => {
    const { raw, bodyOf, kinds } = await listening(at('accepted', { malformed: true }));
    const { bytes } = await raw(GENERATE, VALID);
    expect(bytes.toString()).toContain('200 OK');
    expect(() => JSON.parse(bodyOf(bytes).toString())).toThrow(SyntaxError);
    expect(kinds()).toEqual(['grant', 'hold']);
  });

  it('replace the response by an error although the task runs', async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k');
    core.faults.add(id, at('accepted', { errorCode: 'INTERNAL_ERROR' }));
    expect(await post(GENERATE, VALID, 'k')).toMatchObject({
      status: 500,
      body: { errorCode: 'INTERNAL_ERROR' },
    });
    expect(core.tasks.list(id, 10)).toMatchObject([{ status: 'processing' }]);
  });

  it('leave a streamed text charged', async () => {
    for (const effect of [{ reset: true }, { errorCode: 'SERVICE_UNAVAILABLE' }, { truncateAfter: 30 }] as const) {
      const { raw, kinds, core, id } = await listening(at('accepted', effect));
      await raw(PROMPT, TOPIC);
      await vi.waitUntil(() => kinds().length === 3);
      expect(kinds()).toEqual(['grant', 'hold', 'capture']);
      expect(core.ledger.verify(id)).toEqual([]);
    }
  });

  it('delay a response', async () => {
    const { post, core, createAccount, clock } = await createTestEmulator();
    const { id } = createAccount('k');
    core.faults.add(id, at('request', { delayMs: 400 }));
    let hasArrived = false;
    const answer = post(CHECK, { taskId: 'x' }, 'k').then((one) => {
      hasArrived = true;
      return one;
    });
    await vi.waitUntil(() => core.faults.list(id)[0]!.fired === 1, { interval: 1 });
    clock.advance(399);
    await new Promise(setImmediate);
    expect(hasArrived).toBe(false);
    clock.advance(1);
    expect((await answer).status).toBe(404);
  });

  it('hang without keeping the server from stopping', async () => {
    const { raw, close, core, id } = await listening(at('request', { hang: true }));
    const answer = raw(GENERATE, VALID);
    await vi.waitUntil(() => core.faults.list(id)[0]!.fired === 1);
    await close();
    expect((await answer).bytes.length).toBe(0);
  });
});

describe('faults in streamed texts', () => {
  it('truncate inside a character, and refund the text', async () => {
    const whole = await listening();
    const text = await (await fetch(whole.url + PROMPT, request(TOPIC))).text();
    const cutAt = Buffer.byteLength(text.slice(0, text.search(/[\u3040-\u30ff]/))) + 1;
    const { raw, kinds } = await listening(at('stream', { truncateAfter: cutAt }));
    const { bytes } = await raw(PROMPT, TOPIC);
    const sent = dechunked(bytes);
    expect(sent.length).toBe(cutAt);
    expect(sent.equals(Buffer.from(text).subarray(0, cutAt))).toBe(true);
    expect(() => new TextDecoder('utf-8', { fatal: true }).decode(sent)).toThrow();
    expect(bytes.toString('latin1').endsWith('0\r\n\r\n')).toBe(false);
    expect(kinds()).toEqual(['grant', 'hold', 'refund']);
  });

  it.each([
    ['stream', { fail: true }, 'closed', 'refund'],
    ['stream', { reset: true }, 'ECONNRESET', 'refund'],
    ['task', { fail: true }, 'closed', 'refund'],
  ] as const)('abort the text in the middle by a rule at %s with %j', async (stage, effect, end, last) => {
    const { raw, kinds } = await listening(at(stage, effect));
    const answer = await raw(PROMPT, TOPIC);
    expect(answer.end).toBe(end);
    if (end === 'closed') expect(dechunked(answer.bytes).length).toBeGreaterThan(100);
    expect(kinds()).toEqual(['grant', 'hold', last]);
  });

  it.each([
    ['request', 'refund'],
    ['charge', 'refund'],
    ['stream', 'refund'],
    ['accepted', 'capture'],
  ] as const)('truncate the text by a rule at %s, which ends in %s', async (stage, last) => {
    const { raw, kinds } = await listening(at(stage, { truncateAfter: 40 }));
    const { bytes, end } = await raw(PROMPT, TOPIC);
    expect([dechunked(bytes).length, end]).toEqual([40, 'closed']);
    await vi.waitUntil(() => kinds().length === 3);
    expect(kinds().at(-1)).toBe(last);
  });

  it.each(['request', 'charge', 'accepted'] as const)(
    'corrupt the start of the text by a rule at %s, and charge it',
    async (stage) => {
      const { raw, kinds } = await listening(at(stage, { malformed: true }));
      const { bytes } = await raw(PROMPT, TOPIC);
      const sent = dechunked(bytes);
      expect(() => new TextDecoder('utf-8', { fatal: true }).decode(sent)).toThrow();
      expect(new TextDecoder().decode(sent.subarray(3))).toContain('a lighthouse');
      expect(kinds()).toEqual(['grant', 'hold', 'capture']);
    },
  );

  it('continue the text after a delay, unless the rule also fails it', async () => {
    for (const [effect, last] of [
      [{ delayMs: 50 }, 'capture'],
      [{ delayMs: 50, fail: true }, 'refund'],
    ] as const) {
      const { raw, kinds, clock, core, id } = await listening(at('stream', effect));
      const answer = raw(PROMPT, TOPIC);
      await vi.waitUntil(() => core.faults.list(id)[0]!.fired === 1);
      while (kinds().length < 3) {
        clock.advance(50);
        await new Promise(setImmediate);
      }
      const { bytes } = await answer;
      expect(kinds()).toEqual(['grant', 'hold', last]);
      expect(bytes.toString('latin1').endsWith('0\r\n\r\n')).toBe(last === 'capture');
    }
  });

  it('pause once at a position between two chunks', async () => {
    const whole = await listening();
    const text = await (await fetch(whole.url + PROMPT, request(TOPIC))).text();
    const truncateAfter = Buffer.byteLength(chunkText(text)[0]!);
    const { raw, clock, kinds } = await listening(at('stream', { delayMs: 50, truncateAfter }));
    const sleep = vi.spyOn(clock, 'sleep');
    const response = raw(PROMPT, TOPIC);
    while (kinds().length < 3) {
      clock.advance(50);
      await new Promise(setImmediate);
    }
    expect(dechunked((await response).bytes).toString()).toBe(text);
    expect(sleep.mock.calls.filter(([ms]) => ms === 50)).toHaveLength(1);
  });

  it('hang in the middle of the text until the client disconnects', async () => {
    const { url, kinds, core, id } = await listening(at('stream', { hang: true }));
    const body = JSON.stringify(TOPIC);
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      `POST ${PROMPT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    let bytes = 0;
    socket.on('data', (piece) => {
      bytes += piece.length;
    });
    await vi.waitUntil(() => bytes > 500);
    expect(kinds()).toEqual(['grant', 'hold']);
    socket.destroy();
    await vi.waitUntil(() => kinds().length === 3);
    expect(kinds()).toEqual(['grant', 'hold', 'capture']);
    expect(core.ledger.verify(id)).toEqual([]);
  });

  const request = (body: object) => ({
    method: 'POST',
    headers: { authorization: 'Bearer k', 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

  /** Returns the content of a chunked response, complete or not. */
  function dechunked(bytes: Buffer): Buffer {
    let rest = bytes.subarray(bytes.indexOf('\r\n\r\n') + 4);
    const pieces: Buffer[] = [];
    for (;;) {
      const size = Number.parseInt(rest.subarray(0, rest.indexOf('\r\n')).toString(), 16);
      if (!size) return Buffer.concat(pieces);
      const from = rest.indexOf('\r\n') + 2;
      pieces.push(rest.subarray(from, from + size));
      rest = rest.subarray(from + size + 2);
    }
  }
});

describe('directives', () => {
  const statusOf = async (body: object, headers: object = {}, path = GENERATE) => {
    const { send, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k', { clock: { mode: 'frozen' } });
    const answer = await send('POST', path, { key: 'k', body, headers });
    core.timeline.advance(id, 86_400_000);
    return { answer, core, id, tasks: core.tasks.list(id, 100) };
  };

  it.each([
    [GENERATE, { ...VALID, prompt: 'a dog @emulator(fail)' }],
    [GENERATE, { ...VALID, imageUrls: ['https://example.com/a.png#@emulator(fail)'] }],
    [GENERATE, { ...VALID, imageUrls: ['https://example.com/a.png#%40emulator%28fail%29'] }],
    ['/api/sora-2-tvc/generate', { adTheme: '@emulator( fail )' }],
    ['/api/sora-2-tvc/generate', { adTheme: 'x', referenceImageUrl: 'https://e.com/a#@emulator(fail)' }],
    ['/api/nano-banana-2/generate', { prompt: '@emulator(fail,duration=2s)', mode: 'generate' }],
  ])('fail the task at %s for %j', async (path, body) => {
    const { answer, tasks } = await statusOf(body, {}, path);
    expect(answer.status).toBe(200);
    expect(tasks).toMatchObject([{ status: 'failed', errorCode: 'GENERATION_FAILED' }]);
  });

  it('in a shot apply to that shot only', async () => {
    const shot = (id: string, prompt: string) => ({
      id,
      prompt,
      generationType: 'TEXT_2_VIDEO',
      aspectRatio: '16:9',
    });
    const body = { shots: [shot('a', 'x'), shot('b', '@emulator(fail)'), shot('c', '@emulator(hang)')] };
    const { tasks } = await statusOf(body, {}, '/api/veo-3/generate');
    expect(tasks.map(({ status }) => status)).toEqual(['completed', 'failed', 'processing']);
  });

  it('in the header apply to the whole request', async () => {
    const { tasks } = await statusOf(VALID, { 'x-emulator-fault': 'duration=2m,fail' });
    expect(tasks).toMatchObject([{ status: 'failed', simulatedMs: 120_000 }]);
  });

  it('are found in JSON with escaped characters', async () => {
    const { send, createAccount } = await createTestEmulator();
    createAccount('k');
    const body = JSON.stringify({ ...VALID, prompt: '@emulator(fail=GENERATION_FAILED)' });
    for (const [plain, escaped] of [
      ['emulator', '\\u0065mulator'],
      ['(', '\\u0028'],
    ] as const) {
      expect((await send('POST', GENERATE, { key: 'k', body: body.replace(plain, escaped) })).status).toBe(500);
    }
  });

  it('reject the request with a documented error code of any endpoint, without charging it', async () => {
    for (const code of ['GENERATION_FAILED', 'INTERNAL_ERROR', 'INSUFFICIENT_CREDITS', 'API_KEY_RATE_LIMIT_EXCEEDED']) {
      const { answer, tasks, core, id } = await statusOf({ ...VALID, prompt: `a @emulator(fail=${code})` });
      expect(answer.body.errorCode).toBe(code);
      expect([tasks, core.accounts.get(id).balance]).toEqual([[], 1000]);
    }
    const otherRoute = await statusOf({ ...VALID, prompt: 'a @emulator(fail=AI_SERVICE_ERROR)' });
    expect(otherRoute.answer).toMatchObject({ status: 503, body: { errorCode: 'AI_SERVICE_ERROR' } });
    const { answer } = await statusOf({ taskId: 'x' }, { 'x-emulator-fault': 'fail=INTERNAL_ERROR' }, CHECK);
    expect(answer.body.errorCode).toBe('INTERNAL_ERROR');
  });

  it.each([
    ['a directive', {}, { 'x-emulator-fault': 'fail=API_KEY_RATE_LIMIT_EXCEEDED' }],
    ['a rule at request', at('request', { errorCode: 'API_KEY_RATE_LIMIT_EXCEEDED' }), {}],
    ['a rule at charge', at('charge', { errorCode: 'API_KEY_RATE_LIMIT_EXCEEDED' }), {}],
    ['a rule at accepted', at('accepted', { errorCode: 'API_KEY_RATE_LIMIT_EXCEEDED' }), {}],
  ])('inject a 429 by %s with the headers and the verdict of a real one', async (_fault, rule, headers) => {
    const limitHeaders = async (rateLimit: number, isInjected: boolean) => {
      const { send, createAccount, core, get } = await createTestEmulator();
      const { id } = createAccount('k', { clock: { mode: 'frozen' }, rateLimit });
      await send('POST', CHECK, { key: 'k', body: { taskId: 'x' } });
      core.timeline.advance(id, 600_000);
      if (isInjected && 'at' in rule) core.faults.add(id, rule);
      const refused = await send('POST', GENERATE, { key: 'k', body: VALID, headers: isInjected ? headers : {} });
      await send('POST', CHECK, { key: 'k', body: { taskId: 'x' } });
      const { findings } = (await get('/__admin/accounts/k/verdict')).body;
      expect(refused.headers['x-ratelimit-limit']).toBe(String(rateLimit));
      const { 'x-ratelimit-limit': _limit, 'x-request-id': _id, date: _date, ...rest } = refused.headers;
      return { ...refused, headers: rest, findings };
    };
    const real = await limitHeaders(1, false);
    expect(real.headers).toMatchObject({ 'retry-after': '3000', 'x-ratelimit-remaining': '0' });
    expect(real.findings).toMatchObject([{ code: 'IGNORED_RETRY_AFTER', requests: ['3'] }]);
    expect(await limitHeaders(50, true)).toEqual(real);
  });

  it('inject a 429 into a request of an account without a limit with the documented one', async () => {
    const { send, createAccount } = await createTestEmulator();
    createAccount('k', { rateLimit: null });
    const faultHeaders = { 'x-emulator-fault': 'fail=API_KEY_RATE_LIMIT_EXCEEDED' };
    const { headers } = await send('POST', GENERATE, { key: 'k', body: VALID, headers: faultHeaders });
    expect(headers).toMatchObject({
      'x-ratelimit-limit': '100',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '3600',
      'retry-after': '3600',
    });
  });

  it.each([
    'explode',
    'fail=NO_SUCH_CODE',
    'fail=BODY_NOT_JSON',
    'duration=3',
    'duration=-1s',
    'cut=x',
    '',
    'fail=',
    'hang=1',
  ])('with the invalid option "%s" are kept as text, with a warning in the journal', async (words) => {
    const { send, createAccount, get } = await createTestEmulator();
    createAccount('k');
    await send('POST', GENERATE, { key: 'k', body: { ...VALID, prompt: `@emulator(${words})` } });
    await send('POST', GENERATE, { key: 'k', body: VALID, headers: { 'x-emulator-fault': words } });
    const { requests } = (await get('/__admin/accounts/k/requests')).body;
    expect(requests.map(({ status }: { status: number }) => status)).toEqual([200, 200]);
    for (const { warnings } of requests)
      expect(warnings).toEqual([expect.stringContaining('is not a valid directive')]);
  });

  it('fail a watermark removal with its documented error', async () => {
    const share_link = 'https://sora.chatgpt.com/p/s_1#@emulator(fail)';
    const { answer, tasks } = await statusOf({ share_link }, {}, '/api/sora/remove-watermark');
    expect(answer).toMatchObject({ status: 500, body: { success: false, errorCode: 'GENERATION_FAILED' } });
    expect(tasks).toMatchObject([{ status: 'failed' }]);
  });
});
