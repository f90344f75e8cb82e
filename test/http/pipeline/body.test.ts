import { expect, it } from 'vitest';
import { createTestEmulator } from '../../support/emulator.ts';

const CHECK = '/api/sora-2/check-status';
const nested = (levels: number) => `{"taskId":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
const objects = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

it.each([
  ['lists', nested],
  ['objects', objects],
])('request bodies are rejected when %s are nested deeper than 512 levels', async (_what, bodyOf) => {
  const { post, send, core } = await createTestEmulator();
  // A rule with `contains` serializes the body.
  core.faults.add(null, { at: 'request', match: { contains: 'nowhere' }, effect: { fail: true } });
  for (const levels of [513, 8000, 100_000]) {
    expect(await post(CHECK, bodyOf(levels))).toMatchObject({
      status: 400,
      body: { success: false, error: 'The request body is not valid JSON', errorCode: 'INVALID_INPUT' },
    });
    expect(await send('POST', '/__admin/accounts', { key: null, body: bodyOf(levels) })).toMatchObject({
      status: 400,
      body: { error: 'The body is nested deeper than 512 levels.', code: 'BODY_NOT_JSON' },
    });
  }
  expect((await post(CHECK, bodyOf(512))).body.errorCode).toBe('TASK_ID_REQUIRED');
  // The journal can still return these entries.
  const { status, body } = await send('GET', '/__admin/accounts/np_test_default/requests', { key: null });
  expect(status).toBe(200);
  expect(body.requests).toHaveLength(4);
});

it('request bodies may have any number of brackets inside strings', async () => {
  const { post } = await createTestEmulator();
  for (const text of ['['.repeat(2000), `\\"${'{"'.repeat(2000)}`, `${'['.repeat(600)}\\\\`, '\\']) {
    const body = { prompt: text, mode: 'textToVideo', more: '\\'.repeat(7), last: [text] };
    expect((await post('/api/sora-2/generate', body)).status).toBe(200);
  }
});

/** Values that cannot be converted to a string or a number. */
const UNCOMPARABLE: unknown[] = [{ toString: 1 }, { toString: 1, valueOf: 1 }, { length: { toString: 1, valueOf: 1 } }];

it.each([
  ['/api/sora-2/generate', 'prompt', 'PROMPT_REQUIRED', { mode: 'textToVideo' }],
  ['/api/seedance-1-5-pro/generate', 'prompt', 'PROMPT_REQUIRED', { mode: 'textToVideo' }],
  ['/api/sora-2/generate-prompt', 'topic', 'INVALID_INPUT', {}],
  ['/api/sora/remove-watermark', 'share_link', 'MISSING_SHARE_LINK', {}],
  ['/api/sora-2-tvc/generate', 'adTheme', 'INVALID_INPUT', {}],
  ['/api/nano-banana-2/generate', 'prompt', 'INVALID_PROMPT', { mode: 'generate' }],
])(
  'POST %s rejects a %s of any other type, also with a length that cannot be compared, with %s',
  async (path, field, errorCode, rest) => {
    const { post } = await createTestEmulator();
    for (const value of UNCOMPARABLE) {
      const body = { ...rest, [field]: value };
      expect(await post(path, body), JSON.stringify(body)).toMatchObject({
        status: 400,
        body: { errorCode },
      });
    }
  },
);

it('shots are rejected when their id cannot be compared', async () => {
  const { post } = await createTestEmulator();
  const shot = { prompt: 'a', generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' };
  for (const id of UNCOMPARABLE) {
    expect(await post('/api/veo-3/generate', { shots: [{ ...shot, id }] })).toMatchObject({
      status: 400,
      body: { errorCode: 'INVALID_INPUT' },
    });
  }
});

it('values with a length that cannot be compared are rejected where the length is limited', async () => {
  const { post, send } = await createTestEmulator();
  const [, , value] = UNCOMPARABLE;
  expect(await post('/api/veo-3/generate', { shots: value })).toMatchObject({
    status: 400,
    body: { errorCode: 'SHOTS_REQUIRED' },
  });
  const ask = (path: string, body: object) => send('POST', `/__admin${path}`, { key: null, body });
  for (const seed of [value, { nested: [value] }]) {
    expect(await ask('/accounts', { seed })).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
  }
  expect(await ask('/accounts/np_test_default/credits', { amount: 5, reason: value })).toMatchObject({
    status: 400,
    body: { code: 'INVALID_INPUT', error: 'Invalid parameter reason: expected a string.' },
  });
});
