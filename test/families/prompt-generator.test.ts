import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { openAuthority } from '../../src/proxy/certificate-authority.ts';
import { buildApp } from '../../src/server/app.ts';
import { createSocketGuard } from '../../src/server/socket-guard.ts';
import { buildProfile } from '../support/core.ts';
import { createTestEmulator } from '../support/emulator.ts';

const PATH = '/api/sora-2/generate-prompt';
const VALID = { topic: 'a fox in the snow' };
const IMAGE = 'https://example.com/a.png';
// Streams do not wait on an auto clock.
const KEY = 'np_test_auto';
const WIRE = {
  failedTaskStatus: 200 as const,
  splitCharacters: false,
  cors: false,
  publicUrl: undefined,
  resultTtlSeconds: null,
  version: '0.0.0',
  newAccountProfile: buildProfile(),
  autoAccounts: false,
  journalEntries: 1000,
  seedAccounts: [],
  priceOverrides: {},
  adminToken: undefined,
  adminRemote: false,
  adminHosts: undefined,
  headerLimitBytes: 16_384,
  textLimitCharacters: 100_000,
  requestTimeoutSeconds: 120,
  streamLimit: 1,
  listenerLimit: 1,
  faultLimit: 1,
  bodyLimitBytes: 1_048_576,
};

describe('prompt generator', () => {
  it('holds 2 credits and captures them when the text is complete', async () => {
    const { post, account, core } = await createTestEmulator();
    const { status, text } = await post(PATH, VALID, KEY);
    expect(status).toBe(200);
    expect(text).toContain('a fox in the snow');
    const { id, balance } = account(KEY);
    expect(balance).toBe(998);
    expect(core.ledger.entries(id, 10).map(({ kind, amount }) => [kind, amount])).toEqual([
      ['grant', 1000],
      ['hold', -2],
      ['capture', 0],
    ]);
    expect(core.tasks.list(id, 1)[0]).toMatchObject({ family: 'prompt-generator', status: 'completed' });
  });

  it('defaults to montage, 10 seconds and English', async () => {
    const { post, account, core } = await createTestEmulator();
    const { text } = await post(PATH, VALID, KEY);
    expect(text).toContain('Montage');
    expect(text).toContain('–10s]');
    expect(core.tasks.getInput(account(KEY).id, core.tasks.list(account(KEY).id, 1)[0]!.id)).toEqual({
      topic: 'a fox in the snow',
      mode: 'textToVideo',
      technique: 'montage',
      duration: 10,
      model: 'google/gemini-3-flash-preview',
      locale: 'en',
      imageUrls: [],
    });
  });

  it.each<[object]>([
    [{}],
    [{ topic: null }],
    [{ topic: 5 }],
    [{ topic: '' }],
    [{ topic: '  \n ' }],
    [{ topic: 'x'.repeat(501) }],
    // Two UTF-16 code units each.
    [{ topic: '🎬'.repeat(251) }],
    [{ ...VALID, mode: 'imageToImage' }],
    [{ ...VALID, technique: 'Montage' }],
    [{ ...VALID, duration: '10' }],
    [{ ...VALID, duration: 0 }],
    [{ ...VALID, duration: -5 }],
    [{ ...VALID, duration: 1e9 }],
    [{ ...VALID, duration: null }],
    [{ ...VALID, model: '' }],
    [{ ...VALID, model: 5 }],
    [{ ...VALID, locale: 'EN' }],
    [{ ...VALID, locale: 'it' }],
    [{ ...VALID, imageUrls: IMAGE }],
    [{ ...VALID, imageUrls: ['data:image/png;base64,aGk='] }],
    [{ ...VALID, imageUrls: [IMAGE, IMAGE, IMAGE, IMAGE] }],
    [{ ...VALID, mode: 'imageToVideo' }],
    [{ ...VALID, mode: 'imageToVideo', imageUrls: [] }],
  ])('rejects %j with INVALID_INPUT without charging', async (body) => {
    const { post, account } = await createTestEmulator();
    const answer = await post(PATH, body);
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual({ success: false, error: expect.any(String), errorCode: 'INVALID_INPUT' });
    expect((await post(PATH, body, 'np_test_empty')).status).toBe(400);
    expect(account('np_test_default')).toMatchObject({ balance: 1000, taskCount: 0 });
  });

  it.each<[object]>([
    [{ topic: 'x'.repeat(500) }],
    [{ ...VALID, duration: 12.5 }],
    [{ ...VALID, model: 'some/other-model' }],
    [{ ...VALID, imageUrls: [IMAGE, IMAGE, IMAGE], mode: 'imageToVideo' }],
    [{ ...VALID, unknown: 1 }],
  ])('accepts %j', async (body) => {
    const { post } = await createTestEmulator();
    expect((await post(PATH, body, KEY)).status).toBe(200);
  });

  it('writes the text in the requested language', async () => {
    const { post } = await createTestEmulator();
    const text = async (locale: string) => (await post(PATH, { ...VALID, locale }, KEY)).text;
    expect(await text('de')).toMatch(/Kamera/);
    expect(await text('ru')).toMatch(/\p{Script=Cyrillic}{5}/u);
    expect(await text('ja')).toMatch(/\p{Script=Hiragana}/u);
    expect(await text('ar')).toMatch(/\p{Script=Arabic}{4}/u);
  });

  it('refunds the credits when the text cannot be written', async () => {
    const { account, core } = await createTestEmulator();
    const broken = await buildApp(
      core,
      { ...WIRE, fixturesDir: '/nowhere' },
      pino({ level: 'silent' }),
      () => openAuthority(undefined),
      createSocketGuard(() => {}),
    );
    const answer = await broken.inject({
      method: 'POST',
      url: PATH,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      payload: JSON.stringify({ ...VALID, locale: 'fr' }),
    });
    expect(answer.json()).toMatchObject({ errorCode: 'INTERNAL_ERROR' });
    const { id, balance } = account(KEY);
    expect(balance).toBe(1000);
    expect(core.ledger.entries(id, 10).map(({ kind }) => kind)).toEqual(['grant', 'hold', 'refund']);
    await broken.close();
  });
});
