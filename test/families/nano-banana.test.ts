import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { createTestEmulator, type TestEmulator } from '../support/emulator.ts';
import { createMisplacedImageCases, IMAGE, itRejects, itReportsFirstError } from '../support/refusals.ts';

const VALID = { prompt: 'a dog', mode: 'generate' };
const EDIT = { prompt: 'a dog in a hat', mode: 'edit', inputImageUrls: [IMAGE] };
const images = (count: number) => Array(count).fill(IMAGE);

describe.each([
  { family: 'nano-banana-pro', max: 8, seconds: [30, 300] },
  { family: 'nano-banana-2', max: 14, seconds: [10, 30] },
])('$family', ({ family, max, seconds }) => {
  const GENERATE = `/api/${family}/generate`;
  const CHECK = `/api/${family}/check-status`;

  const startTask = async (flags: string[] = []) => startTaskIn(await createTestEmulator(flags));

  async function startTaskIn(emulator: TestEmulator, key = 'k') {
    const { id } = emulator.createAccount(key, { speed: 1 });
    const { taskId, generationId } = (await emulator.post(GENERATE, VALID, key)).body;
    const poll = () => emulator.post(CHECK, { generationId }, key);
    return { ...emulator, id, taskId, generationId, poll, plan: emulator.core.tasks.find(id, taskId)!.plan };
  }

  describe('generate', () => {
    it.each([
      ['1K', 4],
      ['2K', 8],
      ['4K', 16],
    ])('charges a generated or edited %s image with %i credits', async (imageQuality, credits) => {
      for (const body of [VALID, EDIT]) {
        const { post, account } = await createTestEmulator();
        expect((await post(GENERATE, { ...body, imageQuality })).status).toBe(200);
        expect(account('np_test_default').balance).toBe(1000 - credits);
        const rejected = await post(GENERATE, { ...body, imageQuality }, 'np_test_empty');
        expect(rejected.status).toBe(402);
        expect(rejected.text).toBe(
          `{"success":false,"error":"Insufficient credits","errorCode":"INSUFFICIENT_CREDITS","requiredCredits":${credits}}`,
        );
      }
    });

    it('responds with a generation id and a task id, exactly as documented', async () => {
      const { post } = await createTestEmulator();
      const { text, body } = await post(GENERATE, VALID);
      expect(text).toMatch(
        /^\{"success":true,"generationId":"gen_[0-9a-f]{24}","taskId":"task_[0-9a-f]{24}","status":"pending"\}$/,
      );
      expect((await post(GENERATE, VALID)).body.generationId).not.toBe(body.generationId);
    });

    it('defaults to 16:9 and 1K', async () => {
      const { post, account, core } = await createTestEmulator();
      const { body } = await post(GENERATE, VALID);
      expect(core.tasks.getInput(account('np_test_default').id, body.taskId)).toMatchObject({
        aspectRatio: '16:9',
        imageQuality: '1K',
        inputImageUrls: [],
      });
    });

    itRejects(GENERATE, [
      [{}, 'INVALID_PROMPT'],
      [{ mode: 'generate' }, 'INVALID_PROMPT'],
      [{ ...VALID, prompt: null }, 'INVALID_PROMPT'],
      [{ ...VALID, prompt: 5 }, 'INVALID_PROMPT'],
      [{ ...VALID, prompt: ' \t' }, 'INVALID_PROMPT'],
      [{ prompt: 'a' }, 'INVALID_INPUT'],
      [{ ...VALID, mode: 'textToImage' }, 'INVALID_INPUT'],
      [{ ...VALID, aspectRatio: 'landscape' }, 'INVALID_INPUT'],
      [{ ...VALID, aspectRatio: '1:1' }, 'INVALID_INPUT'],
      [{ ...VALID, imageQuality: '1k' }, 'INVALID_INPUT'],
      [{ ...VALID, imageQuality: '8K' }, 'INVALID_INPUT'],
      [{ ...VALID, imageQuality: 1 }, 'INVALID_INPUT'],
      [{ ...EDIT, inputImageUrls: IMAGE }, 'INVALID_INPUT'],
      [{ ...EDIT, inputImageUrls: undefined }, 'MISSING_INPUT_IMAGE'],
      [{ ...EDIT, inputImageUrls: images(0) }, 'MISSING_INPUT_IMAGE'],
      [{ ...EDIT, inputImageUrls: [], image: '' }, 'MISSING_INPUT_IMAGE'],
      // The image field of the video families is not read.
      [{ ...EDIT, inputImageUrls: undefined, imageUrls: [IMAGE] }, 'MISSING_INPUT_IMAGE'],
      [{ ...EDIT, inputImageUrls: images(max + 1) }, 'TOO_MANY_IMAGES'],
      [{ ...VALID, inputImageUrls: images(max + 1) }, 'TOO_MANY_IMAGES'],
      [{ ...EDIT, inputImageUrls: [...images(max), 'aGk='] }, 'IMAGE_URLS_REQUIRED'],
      ...createMisplacedImageCases(EDIT, 'inputImageUrls'),
      ...createMisplacedImageCases(VALID, 'inputImageUrls'),
    ]);

    itReportsFirstError(GENERATE, VALID, [
      ['INVALID_PROMPT', { prompt: '' }],
      ['INVALID_INPUT', { imageQuality: '3K' }],
      ['MISSING_INPUT_IMAGE', { mode: 'edit', inputImageUrls: [] }],
      ['IMAGE_URLS_REQUIRED', { image: 'aGk=' }],
      ['TOO_MANY_IMAGES', { inputImageUrls: images(max + 1) }],
    ]);

    it.each([1, max - 1, max])('accepts an edit of %i images', async (count) => {
      const { post } = await createTestEmulator();
      expect((await post(GENERATE, { ...EDIT, inputImageUrls: images(count) })).status).toBe(200);
    });

    it.each(['16:9', '9:16', '4:3', '3:4'])('accepts the aspect ratio %s', async (aspectRatio) => {
      const { post } = await createTestEmulator();
      expect((await post(GENERATE, { ...VALID, aspectRatio })).status).toBe(200);
    });
  });

  describe('check-status', () => {
    it.each([{}, { generationId: null }, { generationId: 7 }, { generationId: '' }, { generationId: ' ' }])(
      'rejects %j with INVALID_INPUT',
      async (body) => {
        const { post } = await createTestEmulator();
        expect(await post(CHECK, body)).toMatchObject({
          status: 400,
          body: { success: false, errorCode: 'INVALID_INPUT' },
        });
      },
    );

    it("rejects a poll of another key's image with FORBIDDEN", async () => {
      const { post, generationId, poll } = await startTask();
      for (const key of ['np_test_other', 'np_test_empty']) {
        const { status, text } = await post(CHECK, { generationId }, key);
        expect([status, JSON.parse(text)]).toEqual([
          403,
          { success: false, error: expect.any(String), errorCode: 'FORBIDDEN' },
        ]);
      }
      expect((await poll()).status).toBe(200);
    });

    it('does not find unknown images, images of other families or task ids', async () => {
      const { post, taskId } = await startTask();
      const other = family === 'nano-banana-2' ? 'nano-banana-pro' : 'nano-banana-2';
      const image = (await post(`/api/${other}/generate`, VALID, 'k')).body.generationId;
      const video = (await post('/api/sora-2/generate', { prompt: 'a', mode: 'textToVideo' }, 'k')).body;
      const ids = ['gen_abc123', 'x', taskId, image, video.taskId, video.taskId.replace('task_', 'gen_')];
      for (const generationId of ids) {
        for (const key of ['k', 'np_test_other']) {
          const answer = await post(CHECK, { generationId }, key);
          expect([generationId, answer.status]).toEqual([generationId, 404]);
          expect(answer.body).toMatchObject({ success: false, errorCode: 'NOT_FOUND' });
        }
      }
    });

    it('responds with pending, generating and completed, exactly as documented', async () => {
      const { poll, clock, plan, taskId, generationId, core, id } = await startTask();
      const body = (status: string, progress: number) =>
        `{"success":true,"status":"${status}","generationId":"${generationId}","progress":${progress}}`;
      expect((await poll()).text).toBe(body('pending', 0));
      const [, generating] = plan.steps;
      expect(generating!.atMs / plan.endMs).toBeCloseTo(0.1, 4);
      clock.advance(generating!.atMs - 1);
      expect((await poll()).text).toBe(body('pending', 0));
      clock.advance(1);
      expect((await poll()).text).toBe(body('generating', 1));
      clock.advance((plan.endMs - generating!.atMs) / 2);
      expect((await poll()).text).toBe(body('generating', 50));
      clock.advance((plan.endMs - generating!.atMs) / 2 - 1);
      expect((await poll()).text).toBe(body('generating', 99));
      clock.advance(1);
      const done = `{"success":true,"status":"completed","imageUrl":"http://localhost:80/media/${family}/${taskId}.jpg","generationId":"${generationId}","progress":100}`;
      expect(await poll()).toMatchObject({ status: 200, text: done });
      clock.advance(86_400_000);
      expect((await poll()).text).toBe(done);
      expect(core.ledger.entries(id, 10).map(({ kind }) => kind)).toEqual(['grant', 'hold', 'capture']);
    });

    it('reports the same progress at any speed', async () => {
      const { post, core, clock, createAccount } = await createTestEmulator();
      const { id } = createAccount('fast', { speed: 60 });
      const { taskId, generationId } = (await post(GENERATE, VALID, 'fast')).body;
      const { plan } = core.tasks.find(id, taskId)!;
      const from = plan.steps[1]!.atMs;
      clock.advance((from + (plan.endMs - from) / 2) / 60);
      const { progress } = (await post(CHECK, { generationId }, 'fast')).body;
      expect(Math.abs(progress - 50)).toBeLessThanOrEqual(1);
    });

    it('does not advance an auto clock when another family polls', async () => {
      const { post, account } = await createTestEmulator();
      const { taskId, generationId } = (await post(GENERATE, VALID, 'np_test_auto')).body;
      const { clockMs } = account('np_test_auto');
      const other = family === 'nano-banana-2' ? 'nano-banana-pro' : 'nano-banana-2';
      expect((await post(`/api/${other}/check-status`, { generationId }, 'np_test_auto')).status).toBe(404);
      expect((await post('/api/sora-2/check-status', { taskId }, 'np_test_auto')).status).toBe(404);
      expect(account('np_test_auto').clockMs).toBe(clockMs);
    });

    it('never reports less progress than before, whatever the clock does between polls', async () => {
      const moves = fc.array(
        fc.oneof(
          fc.integer({ min: 0, max: 90_000 }).map((ms) => ({ ms })),
          fc.constantFrom('real', 'frozen', 'auto').map((mode) => ({ mode })),
        ),
        { maxLength: 25 },
      );
      const emulator = await createTestEmulator();
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(moves, async (sequence) => {
          runs += 1;
          const { poll, core, id, clock } = await startTaskIn(emulator, `k${runs}`);
          let last = -1;
          for (const move of sequence) {
            if ('ms' in move) clock.advance(move.ms);
            else core.timeline.setClock(id, move.mode as 'real');
            const { status, progress } = (await poll()).body;
            expect(progress).toBeGreaterThanOrEqual(last);
            expect(progress).toBeGreaterThanOrEqual({ pending: 0, generating: 1, completed: 100 }[status as 'pending']);
            expect(progress).toBeLessThanOrEqual({ pending: 0, generating: 99, completed: 100 }[status as 'pending']);
            last = progress;
          }
        }),
        { numRuns: 40 },
      );
    });

    it(`takes ${seconds.join(' to ')} simulated seconds`, async () => {
      const { post, core, createAccount } = await createTestEmulator();
      const { id } = createAccount('k', { rateLimit: null });
      const submitted = vi.spyOn(core.tasks, 'submit');
      for (let n = 0; n < 60; n++) await post(GENERATE, VALID, 'k');
      expect(submitted.mock.lastCall![1][0]!.template.typicalSeconds).toEqual(seconds);
      const ends = core.tasks.list(id, 100).map(({ plan }) => plan.endMs / 1000);
      expect(Math.min(...ends)).toBeGreaterThanOrEqual(seconds[0]!);
      expect(Math.max(...ends)).toBeLessThanOrEqual(seconds[1]!);
      expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan((seconds[1]! - seconds[0]!) / 2);
    });

    it('advances to generating and completed with two polls on an auto clock', async () => {
      const { post } = await createTestEmulator();
      const { generationId } = (await post(GENERATE, VALID, 'np_test_auto')).body;
      const poll = async () => (await post(CHECK, { generationId }, 'np_test_auto')).body.status;
      expect([await poll(), await poll(), await poll()]).toEqual(['generating', 'completed', 'completed']);
    });

    it.each([200, 500])('responds with --failed-task-status %i for a failed image and refunds it', async (status) => {
      const { poll, core, id, taskId, generationId, account } = await startTask([
        '--failed-task-status',
        String(status),
      ]);
      expect(account('k').balance).toBe(996);
      core.tasks.fail(id, taskId, 'GENERATION_FAILED');
      const answer = await poll();
      expect(answer.status).toBe(status);
      expect(answer.text).toBe(
        `{"success":false,"status":"failed","error":"Generation failed","generationId":"${generationId}","progress":0}`,
      );
      expect(account('k').balance).toBe(1000);
    });
  });
});

describe('googleSearch', () => {
  const generate = async (family: string, googleSearch: unknown) => {
    const { post, core, account } = await createTestEmulator();
    const { status, body } = await post(`/api/${family}/generate`, { ...VALID, googleSearch });
    const input = body.taskId && core.tasks.getInput(account('np_test_default').id, body.taskId);
    return { status, errorCode: body.errorCode, kept: input?.googleSearch };
  };

  it('is a boolean of Nano Banana 2, false by default', async () => {
    expect(await generate('nano-banana-2', true)).toMatchObject({ status: 200, kept: true });
    expect(await generate('nano-banana-2', undefined)).toMatchObject({ status: 200, kept: false });
    for (const wrong of ['true', 1, null]) {
      expect(await generate('nano-banana-2', wrong)).toMatchObject({
        status: 400,
        errorCode: 'INVALID_INPUT',
      });
    }
  });

  it('is ignored by Nano Banana Pro, where it is not documented', async () => {
    expect(await generate('nano-banana-pro', 'true')).toMatchObject({ status: 200, kept: undefined });
  });
});
