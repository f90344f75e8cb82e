import { describe, expect, it } from 'vitest';
import { buildOrder } from '../support/core.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { createMisplacedImageCases, IMAGE, itRejects, itReportsFirstError } from '../support/refusals.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };

describe('Sora 2 generate', () => {
  it.each([
    ['sora2', '10', 4],
    ['sora2', '15', 8],
    ['sora2-pro-standard', '10', 60],
    ['sora2-pro-standard', '15', 100],
    ['sora2-pro-high', '10', 120],
    ['sora2-pro-high', '15', 240],
  ])('charges %s for %s s with %i credits at once', async (modelTier, videoDuration, credits) => {
    const { post, account, core } = await createTestEmulator();
    const body = { ...VALID, modelTier, videoDuration };
    expect((await post(GENERATE, body)).status).toBe(200);
    const { id, balance } = account('np_test_default');
    expect(balance).toBe(1000 - credits);
    expect(core.ledger.entries(id, 10).at(-1)).toMatchObject({ kind: 'hold', amount: -credits });
    expect(await post(GENERATE, body, 'np_test_empty')).toMatchObject({
      status: 402,
      body: { requiredCredits: credits },
    });
  });

  it('defaults to sora2, portrait and 10 seconds', async () => {
    const { post, account, core } = await createTestEmulator();
    const { body } = await post(GENERATE, VALID);
    expect(core.tasks.getInput(account('np_test_default').id, body.taskId)).toMatchObject({
      modelTier: 'sora2',
      aspectRatio: 'portrait',
      videoDuration: '10',
    });
  });

  itRejects(GENERATE, [
    [{}, 'PROMPT_REQUIRED'],
    [{ mode: 'textToVideo' }, 'PROMPT_REQUIRED'],
    [{ ...VALID, prompt: null }, 'PROMPT_REQUIRED'],
    [{ ...VALID, prompt: 5 }, 'PROMPT_REQUIRED'],
    [{ ...VALID, prompt: '' }, 'PROMPT_REQUIRED'],
    [{ ...VALID, prompt: ' \n\t' }, 'PROMPT_REQUIRED'],
    [{ ...VALID, prompt: '', mode: 'nonsense' }, 'PROMPT_REQUIRED'],
    [{ prompt: 'a' }, 'INVALID_INPUT'],
    [{ ...VALID, mode: 'TEXTTOVIDEO' }, 'INVALID_INPUT'],
    [{ ...VALID, mode: null }, 'INVALID_INPUT'],
    [{ ...VALID, modelTier: 'sora3' }, 'INVALID_INPUT'],
    [{ ...VALID, modelTier: '' }, 'INVALID_INPUT'],
    [{ ...VALID, aspectRatio: '16:9' }, 'INVALID_INPUT'],
    [{ ...VALID, videoDuration: 10 }, 'INVALID_INPUT'],
    [{ ...VALID, videoDuration: '12' }, 'INVALID_INPUT'],
    [{ ...VALID, imageUrls: IMAGE }, 'INVALID_INPUT'],
    [{ ...VALID, mode: 'imageToVideo', videoDuration: '12' }, 'INVALID_INPUT'],
    [{ ...VALID, modelTier: 'x', imageBase64: 'aGk=' }, 'INVALID_INPUT'],
    [{ ...VALID, mode: 'imageToVideo' }, 'IMAGE_REQUIRED'],
    [{ ...VALID, mode: 'imageToVideo', imageUrls: [] }, 'IMAGE_REQUIRED'],
    [{ ...VALID, mode: 'imageToVideo', image: '' }, 'IMAGE_REQUIRED'],
    [{ ...VALID, mode: 'imageToVideo', imageUrls: [IMAGE], image: 'aGk=' }, 'IMAGE_URLS_REQUIRED'],
    ...createMisplacedImageCases({ ...VALID, mode: 'imageToVideo' }, 'imageUrls'),
    ...createMisplacedImageCases(VALID, 'imageUrls'),
  ]);

  itReportsFirstError(GENERATE, VALID, [
    ['PROMPT_REQUIRED', { prompt: '' }],
    ['INVALID_INPUT', { videoDuration: '12' }],
    ['IMAGE_REQUIRED', { mode: 'imageToVideo' }],
    ['IMAGE_URLS_REQUIRED', { image: 'aGk=' }],
  ]);

  it('can be paid with a refund that is due before the worker has applied it', async () => {
    const { post, clock, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k', { credits: 4 });
    core.tasks.submit(id, [
      buildOrder({
        seconds: 60,
        overrides: () => ({ outcome: { status: 'failed', errorCode: 'GENERATION_FAILED' } }),
      }),
    ]);
    expect((await post(GENERATE, VALID, 'k')).status).toBe(402);
    clock.advance(60_000);
    expect((await post(GENERATE, VALID, 'k')).status).toBe(200);
  });

  it('names the field in the message of INVALID_INPUT', async () => {
    const { post } = await createTestEmulator();
    const error = async (body: object) => (await post(GENERATE, body)).body.error;
    expect(await error({ prompt: 'a' })).toBe('Missing required parameters: mode');
    expect(await error({ ...VALID, videoDuration: 10 })).toBe(
      'Invalid parameter videoDuration: expected one of "10"|"15"',
    );
  });

  it.each([
    { ...VALID, mode: 'imageToVideo', imageUrls: [IMAGE] },
    { ...VALID, mode: 'imageToVideo', imageUrls: ['HTTP://localhost:3000/a.png', IMAGE] },
    { ...VALID, imageUrls: [IMAGE] },
    { ...VALID, image: null, images: [] },
    { ...VALID, somethingElse: { deep: [1] } },
    { ...VALID, prompt: '\u0000 "quotes" \ud800 日本語 🎬' },
  ])('accepts %j', async (body) => {
    const { post } = await createTestEmulator();
    expect(await post(GENERATE, body)).toMatchObject({
      status: 200,
      body: { success: true, status: 'processing' },
    });
  });
});

describe('Sora 2 check-status', () => {
  it.each([{}, { taskId: null }, { taskId: 7 }, { taskId: '' }, { taskId: '  ' }, { taskId: ['task_x'] }])(
    'rejects %j with TASK_ID_REQUIRED',
    async (body) => {
      const { post } = await createTestEmulator();
      expect(await post(CHECK, body)).toMatchObject({ status: 400, body: { errorCode: 'TASK_ID_REQUIRED' } });
    },
  );

  it('does not find unknown tasks or tasks of other keys or families', async () => {
    const { post } = await createTestEmulator();
    const ownTaskId = (await post(GENERATE, VALID)).body.taskId;
    const shot = { id: 's', prompt: 'a', generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' };
    const veo = (await post('/api/veo-3/generate', { shots: [shot] })).body.shots[0].taskId;
    const notFound = { status: 404, body: { success: false, errorCode: 'TASK_NOT_FOUND' } };
    expect(await post(CHECK, { taskId: 'task_abc123' })).toMatchObject(notFound);
    expect(await post(CHECK, { taskId: ownTaskId }, 'np_test_other')).toMatchObject(notFound);
    expect(await post(CHECK, { taskId: veo })).toMatchObject(notFound);
    expect(await post(CHECK, { taskId: "' OR 1=1 --" })).toMatchObject(notFound);
  });

  it('completes after its simulated time and reports it in whole seconds', async () => {
    const { post, clock, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k', { speed: 1 });
    const { taskId } = (await post(GENERATE, { ...VALID, videoDuration: '15' }, 'k')).body;
    const { endMs } = core.tasks.find(id, taskId)!.plan;
    expect(endMs).toBeGreaterThanOrEqual(60_000);
    expect(endMs).toBeLessThanOrEqual(180_000);
    clock.advance(endMs - 1);
    expect((await post(CHECK, { taskId }, 'k')).body.status).toBe('processing');
    clock.advance(1);
    const { body } = await post(CHECK, { taskId }, 'k');
    expect(body).toMatchObject({ status: 'completed', generationTime: endMs / 1000, creditsUsed: 8 });
    clock.advance(86_400_000);
    expect((await post(CHECK, { taskId }, 'k')).body).toEqual(body);
  });

  it.each(['sora2-pro-standard', 'sora2-pro-high'])('takes 3 to 8 minutes for %s', async (modelTier) => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k', { credits: 100_000, rateLimit: null });
    for (let n = 0; n < 40; n++) await post(GENERATE, { ...VALID, modelTier }, 'k');
    const ends = core.tasks.list(id, 100).map(({ plan }) => plan.endMs);
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(180_000);
    expect(Math.max(...ends)).toBeLessThanOrEqual(480_000);
    expect(new Set(ends).size).toBeGreaterThan(20);
  });

  it('completes within seconds at the default speed', async () => {
    const { post, clock } = await createTestEmulator();
    const { taskId } = (await post(GENERATE, VALID)).body;
    expect((await post(CHECK, { taskId })).body.status).toBe('processing');
    clock.advance(3000);
    expect((await post(CHECK, { taskId })).body.status).toBe('completed');
  });

  it('completes at the first poll on an auto clock', async () => {
    const { post } = await createTestEmulator();
    const { taskId } = (await post(GENERATE, VALID, 'np_test_auto')).body;
    expect((await post(CHECK, { taskId }, 'np_test_auto')).body.status).toBe('completed');
  });

  it('builds the video URL from the Host header or the public URL', async () => {
    const url = async (flags: string[], headers: object) => {
      const { send } = await createTestEmulator(flags);
      const key = 'np_test_auto';
      const { taskId } = (await send('POST', GENERATE, { key, body: VALID })).body;
      return (await send('POST', CHECK, { key, body: { taskId }, headers })).body.videoUrl as string;
    };
    expect(await url([], { host: 'emulator:6266' })).toMatch(/^http:\/\/emulator:6266\/media\/sora\/task_\w+\.mp4$/);
    expect(await url([], { host: '[::1]:6266' })).toMatch(/^http:\/\/\[::1\]:6266\/media\//);
    expect(await url([], { host: 'evil"<script>' })).not.toContain('script');
    expect(await url(['--public-url', 'https://cdn.test/x/'], { host: 'emulator' })).toMatch(
      /^https:\/\/cdn\.test\/x\/media\/sora\/task_\w+\.mp4$/,
    );
  });

  it.each([200, 500])('responds with --failed-task-status %i for a failed task and refunds it', async (status) => {
    const { post, core, account } = await createTestEmulator(['--failed-task-status', String(status)]);
    const { taskId } = (await post(GENERATE, VALID)).body;
    core.tasks.fail(account('np_test_default').id, taskId, 'GENERATION_FAILED');
    expect(await post(CHECK, { taskId })).toMatchObject({
      status,
      body: { success: false, status: 'failed' },
    });
    expect(account('np_test_default').balance).toBe(1000);
  });
});
