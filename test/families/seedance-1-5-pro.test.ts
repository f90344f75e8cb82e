import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { createMisplacedImageCases, IMAGE, itRejects, itReportsFirstError } from '../support/refusals.ts';
import { itRespondsLikeSora2 } from '../support/video.ts';

const GENERATE = '/api/seedance-1-5-pro/generate';
const VALID = {
  prompt: 'a dog',
  mode: 'textToVideo',
  aspectRatio: 'landscape',
  resolution: '720p',
  duration: '8',
};
const without = (field: keyof typeof VALID) => ({ ...VALID, [field]: undefined });

describe('SeeDance 1.5 Pro generate', () => {
  it.each([
    ['480p', '4', false, 2],
    ['480p', '8', false, 4],
    ['480p', '12', false, 6],
    ['720p', '4', false, 4],
    ['720p', '8', false, 8],
    ['720p', '12', false, 12],
    ['1080p', '4', false, 8],
    ['1080p', '8', false, 16],
    ['1080p', '12', false, 22],
    ['480p', '4', true, 4],
    ['480p', '8', true, 8],
    ['480p', '12', true, 12],
    ['720p', '4', true, 8],
    ['720p', '8', true, 16],
    ['720p', '12', true, 24],
    ['1080p', '4', true, 16],
    ['1080p', '8', true, 32],
    ['1080p', '12', true, 44],
  ])('charges %s for %s s (audio: %s) with %i credits', async (resolution, duration, generateAudio, credits) => {
    const { post, account } = await createTestEmulator();
    const body = { ...VALID, resolution, duration, generateAudio };
    expect((await post(GENERATE, body)).status).toBe(200);
    expect(account('np_test_default').balance).toBe(1000 - credits);
    const rejected = await post(GENERATE, body, 'np_test_empty');
    expect(rejected.status).toBe(402);
    expect(rejected.text).toBe(
      `{"success":false,"error":"Insufficient credits","errorCode":"INSUFFICIENT_CREDITS","requiredCredits":${credits}}`,
    );
  });

  it('defaults to no audio and a free lens', async () => {
    const { post, account, core } = await createTestEmulator();
    const { body } = await post(GENERATE, VALID);
    const input = core.tasks.getInput(account('np_test_default').id, body.taskId);
    expect(input).toMatchObject({ generateAudio: false, fixedLens: false });
    expect(account('np_test_default').balance).toBe(1000 - 8);
  });

  itRejects(GENERATE, [
    [{}, 'PROMPT_REQUIRED'],
    [without('prompt'), 'PROMPT_REQUIRED'],
    [{ ...VALID, prompt: null }, 'PROMPT_REQUIRED'],
    [{ ...VALID, prompt: 5 }, 'PROMPT_REQUIRED'],
    [{ ...VALID, prompt: '\t ' }, 'PROMPT_REQUIRED'],
    [{ ...VALID, prompt: 'a'.repeat(1001) }, 'INVALID_INPUT'],
    // 1002 UTF-16 code units.
    [{ ...VALID, prompt: '🎬'.repeat(501) }, 'INVALID_INPUT'],
    [without('mode'), 'INVALID_INPUT'],
    [without('aspectRatio'), 'INVALID_INPUT'],
    [without('resolution'), 'INVALID_INPUT'],
    [without('duration'), 'INVALID_INPUT'],
    [{ ...VALID, mode: 'text' }, 'INVALID_INPUT'],
    [{ ...VALID, aspectRatio: '16:9' }, 'INVALID_INPUT'],
    [{ ...VALID, resolution: '4k' }, 'INVALID_INPUT'],
    [{ ...VALID, resolution: 720 }, 'INVALID_INPUT'],
    [{ ...VALID, duration: 8 }, 'INVALID_INPUT'],
    [{ ...VALID, duration: '10' }, 'INVALID_INPUT'],
    [{ ...VALID, generateAudio: 'true' }, 'INVALID_INPUT'],
    [{ ...VALID, fixedLens: 1 }, 'INVALID_INPUT'],
    [{ ...VALID, imageUrls: IMAGE }, 'INVALID_INPUT'],
    [{ ...VALID, mode: 'imageToVideo' }, 'IMAGE_REQUIRED'],
    [{ ...VALID, mode: 'imageToVideo', imageUrls: [] }, 'IMAGE_REQUIRED'],
    ...createMisplacedImageCases({ ...VALID, mode: 'imageToVideo' }, 'imageUrls'),
  ]);

  itReportsFirstError(GENERATE, VALID, [
    ['PROMPT_REQUIRED', { prompt: '' }],
    ['INVALID_INPUT', { duration: '5' }],
    ['IMAGE_REQUIRED', { mode: 'imageToVideo' }],
    ['IMAGE_URLS_REQUIRED', { image: 'aGk=' }],
  ]);

  it.each([
    { ...VALID, prompt: 'a'.repeat(1000) },
    { ...VALID, prompt: '🎬'.repeat(500) },
    { ...VALID, mode: 'imageToVideo', imageUrls: [IMAGE] },
    { ...VALID, generateAudio: true, fixedLens: true, aspectRatio: 'portrait' },
    { ...VALID, imageUrls: [IMAGE], somethingElse: 1 },
  ])('accepts %j', async (body) => {
    const { post } = await createTestEmulator();
    expect(await post(GENERATE, body)).toMatchObject({
      status: 200,
      body: {
        success: true,
        status: 'processing',
        taskId: expect.stringMatching(/^task_/),
        message: 'Video generation in progress',
      },
    });
  });
});

describe('SeeDance 1.5 Pro check-status', () => {
  itRespondsLikeSora2({
    family: 'seedance-1-5-pro',
    valid: VALID,
    price: 8,
    seconds: [60, 180],
    steps: ['generating'],
    completed: (taskId) => ({ videoUrl: `http://localhost:80/media/seedance/${taskId}.mp4` }),
  });
});
