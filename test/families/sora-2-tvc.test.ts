import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import {
  createMisplacedImageCases,
  IMAGE,
  INVALID_IMAGE_URLS,
  itRejects,
  itReportsFirstError,
} from '../support/refusals.ts';
import { itRespondsLikeSora2 } from '../support/video.ts';

const GENERATE = '/api/sora-2-tvc/generate';
const VALID = { adTheme: 'A mountain spring in a bottle' };

describe('Sora 2 TVC generate', () => {
  it.each(['10', '15'])('charges an ad of %s s with 8 credits', async (videoDuration) => {
    const { post, account } = await createTestEmulator();
    const body = { ...VALID, videoDuration };
    expect((await post(GENERATE, body)).status).toBe(200);
    expect(account('np_test_default').balance).toBe(992);
    const rejected = await post(GENERATE, body, 'np_test_empty');
    expect(rejected.status).toBe(402);
    expect(rejected.text).toBe(
      '{"success":false,"error":"Insufficient credits","errorCode":"INSUFFICIENT_CREDITS","requiredCredits":8}',
    );
  });

  it('defaults to 10 seconds and portrait', async () => {
    const { post, account, core } = await createTestEmulator();
    const { body } = await post(GENERATE, VALID);
    expect(core.tasks.getInput(account('np_test_default').id, body.taskId)).toEqual({
      ...VALID,
      videoDuration: '10',
      aspectRatio: 'portrait',
    });
  });

  itRejects(GENERATE, [
    [{}, 'INVALID_INPUT'],
    [{ adTheme: null }, 'INVALID_INPUT'],
    [{ adTheme: ['a'] }, 'INVALID_INPUT'],
    [{ adTheme: '' }, 'INVALID_INPUT'],
    [{ adTheme: ' \n' }, 'INVALID_INPUT'],
    [{ prompt: 'an ad' }, 'INVALID_INPUT'],
    [{ ...VALID, videoDuration: '12' }, 'INVALID_INPUT'],
    [{ ...VALID, videoDuration: 10 }, 'INVALID_INPUT'],
    [{ ...VALID, aspectRatio: '9:16' }, 'INVALID_INPUT'],
    [{ ...VALID, voiceoverScript: 5 }, 'INVALID_INPUT'],
    [{ ...VALID, referenceImageUrl: 5 }, 'INVALID_INPUT'],
    [{ ...VALID, referenceImageUrl: [IMAGE] }, 'INVALID_INPUT'],
    ...INVALID_IMAGE_URLS.map((referenceImageUrl): [object, string] => [
      { ...VALID, referenceImageUrl },
      'IMAGE_URLS_REQUIRED',
    ]),
    ...createMisplacedImageCases(VALID),
    ...createMisplacedImageCases({ ...VALID, referenceImageUrl: IMAGE }),
  ]);

  itReportsFirstError(GENERATE, VALID, [
    ['INVALID_INPUT', { adTheme: '' }],
    ['IMAGE_URLS_REQUIRED', { referenceImageUrl: 'aGk=' }],
  ]);
  itReportsFirstError(GENERATE, VALID, [
    ['INVALID_INPUT', { aspectRatio: 'square' }],
    ['IMAGE_URLS_REQUIRED', { inputImage: 'aGk=' }],
  ]);

  it.each([
    { ...VALID, referenceImageUrl: IMAGE },
    { ...VALID, voiceoverScript: '', image: null, images: [] },
    { ...VALID, voiceoverScript: 'Fresh. Cold. Yours.', videoDuration: '15', aspectRatio: 'landscape' },
  ])('accepts %j', async (body) => {
    const { post } = await createTestEmulator();
    const { status, text } = await post(GENERATE, body);
    expect(status).toBe(200);
    expect(text).toMatch(
      /^\{"success":true,"status":"processing","taskId":"task_\w+","message":"Video generation in progress"\}$/,
    );
  });
});

describe('Sora 2 TVC check-status', () => {
  itRespondsLikeSora2({
    family: 'sora-2-tvc',
    valid: VALID,
    price: 8,
    seconds: [180, 480],
    steps: ['storyboard_script', 'storyboard_image', 'video_generation'],
    completed: (taskId) => ({
      videoUrl: `http://localhost:80/media/sora-2-tvc/${taskId}.mp4`,
      storyboardImageUrl: `http://localhost:80/media/sora-2-tvc/${taskId}.jpg`,
    }),
  });

  it('spends 10% of the time on the script, 20% on the storyboard and the rest on the video', async () => {
    const { post, account, core } = await createTestEmulator();
    const { taskId } = (await post(GENERATE, VALID)).body;
    const { steps, endMs } = core.tasks.find(account('np_test_default').id, taskId)!.plan;
    expect(steps.map(({ atMs }) => atMs / endMs)).toEqual([0, expect.closeTo(0.1, 4), expect.closeTo(0.3, 4)]);
  });
});
