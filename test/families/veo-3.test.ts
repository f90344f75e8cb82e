import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { IMAGE, itRejects } from '../support/refusals.ts';

const GENERATE = '/api/veo-3/generate';
const CHECK = '/api/veo-3/check-status';
const shot = (own: object = {}) => ({
  id: 'shot-1',
  prompt: 'a dog',
  generationType: 'TEXT_2_VIDEO',
  aspectRatio: '16:9',
  ...own,
});
const shots = (count: number) => Array.from({ length: count }, (_, n) => shot({ id: `shot-${n + 1}` }));
const { prompt: _without, ...NO_PROMPT } = shot();

describe('Veo 3.1 generate', () => {
  it.each([
    [1, '720p', 10],
    [3, '720p', 30],
    [21, '720p', 210],
    [1, '1080p', 14],
    [1, '4k', 30],
  ])('charges %i shot(s) at %s with %i credits, one hold per shot', async (count, resolution, credits) => {
    const { post, account, core } = await createTestEmulator();
    const { status, body } = await post(GENERATE, { shots: shots(count), resolution });
    expect(status).toBe(200);
    expect(body.creditsUsed).toBe(credits);
    expect(body.shots.map(({ shotId }: { shotId: string }) => shotId)).toEqual(shots(count).map(({ id }) => id));
    expect(new Set(body.shots.map(({ taskId }: { taskId: string }) => taskId)).size).toBe(count);
    const { id, balance } = account('np_test_default');
    expect(balance).toBe(1000 - credits);
    const holds = core.ledger.entries(id, 100).filter(({ kind }) => kind === 'hold');
    expect(holds.map(({ amount }) => -amount)).toEqual(Array(count).fill(credits / count));
  });

  it('rejects the whole request without creating tasks when the credits cover only some shots', async () => {
    const { post, account, createAccount } = await createTestEmulator();
    createAccount('k', { credits: 29 });
    const answer = await post(GENERATE, { shots: shots(3) }, 'k');
    expect(answer.status).toBe(402);
    expect(answer.text).toBe(
      '{"error":"Insufficient credits","errorCode":"INSUFFICIENT_CREDITS","requiredCredits":30}',
    );
    expect(account('k')).toMatchObject({ balance: 29, taskCount: 0 });
  });

  itRejects(GENERATE, [
    [{}, 'SHOTS_REQUIRED'],
    [{ shots: null }, 'SHOTS_REQUIRED'],
    [{ shots: {} }, 'SHOTS_REQUIRED'],
    [{ shots: 'shot' }, 'SHOTS_REQUIRED'],
    [{ shots: [] }, 'SHOTS_REQUIRED'],
    [{ shots: [], resolution: '8k' }, 'SHOTS_REQUIRED'],
    [{ shots: shots(22) }, 'INVALID_INPUT'],
    [{ shots: [null] }, 'INVALID_INPUT'],
    [{ shots: [shot({ id: undefined })] }, 'INVALID_INPUT'],
    [{ shots: [shot({ id: 1 })] }, 'INVALID_INPUT'],
    [{ shots: [shot({ id: ' ' })] }, 'INVALID_INPUT'],
    [{ shots: [shot({ id: '\ud800' })] }, 'INVALID_INPUT'],
    [{ shots: [shot(), shot()] }, 'INVALID_INPUT'],
    [{ shots: [shot({ generationType: 'TEXT_TO_VIDEO' })] }, 'INVALID_INPUT'],
    [{ shots: [shot({ aspectRatio: 'landscape' })] }, 'INVALID_INPUT'],
    [{ shots: [shot({ aspectRatio: undefined })] }, 'INVALID_INPUT'],
    [{ shots: [shot({ imageUrls: IMAGE })] }, 'INVALID_INPUT'],
    [{ shots: [shot()], resolution: '4K' }, 'INVALID_INPUT'],
    [{ shots: [shot()], resolution: null }, 'INVALID_INPUT'],
    [{ shots: shots(2), resolution: '1080p' }, 'INVALID_INPUT'],
    [{ shots: shots(2), resolution: '4k' }, 'INVALID_INPUT'],
    [{ shots: [NO_PROMPT, NO_PROMPT] }, 'INVALID_INPUT'],
    [{ shots: [NO_PROMPT, shot({ id: 'b' })], resolution: '4k' }, 'INVALID_INPUT'],
    [{ shots: [NO_PROMPT] }, 'PROMPT_REQUIRED'],
    [{ shots: [shot(), shot({ id: 'b', prompt: ' ' })] }, 'PROMPT_REQUIRED'],
    [{ shots: [shot({ prompt: ['a'] })] }, 'PROMPT_REQUIRED'],
    [{ shots: [shot({ prompt: '', imageUrls: ['aGk='] })] }, 'PROMPT_REQUIRED'],
    [{ shots: [shot({ imageUrls: ['aGk='] })] }, 'IMAGE_URLS_REQUIRED'],
    [{ shots: [shot({ generationType: 'REFERENCE_2_VIDEO', imageUrls: [IMAGE, 'data:x'] })] }, 'IMAGE_URLS_REQUIRED'],
    [{ shots: [shot({ generationType: 'REFERENCE_2_VIDEO', image: 'aGk=' })] }, 'IMAGE_URLS_REQUIRED'],
    [{ shots: [shot({ referenceImages: ['aGk='] })] }, 'IMAGE_URLS_REQUIRED'],
    [{ shots: [shot({ imageUrls: [IMAGE] })] }, 'INVALID_IMAGE_COUNT'],
    [{ shots: [shot({ generationType: 'FIRST_AND_LAST_FRAMES_2_VIDEO' })] }, 'INVALID_IMAGE_COUNT'],
    [
      {
        shots: [shot({ generationType: 'FIRST_AND_LAST_FRAMES_2_VIDEO', imageUrls: [IMAGE, IMAGE, IMAGE] })],
      },
      'INVALID_IMAGE_COUNT',
    ],
    [{ shots: [shot({ generationType: 'REFERENCE_2_VIDEO', imageUrls: [] })] }, 'INVALID_IMAGE_COUNT'],
    [
      { shots: [shot({ generationType: 'REFERENCE_2_VIDEO', imageUrls: [IMAGE, IMAGE, IMAGE, IMAGE] })] },
      'INVALID_IMAGE_COUNT',
    ],
  ]);

  it.each([
    ['TEXT_2_VIDEO', 0],
    ['FIRST_AND_LAST_FRAMES_2_VIDEO', 1],
    ['FIRST_AND_LAST_FRAMES_2_VIDEO', 2],
    ['REFERENCE_2_VIDEO', 1],
    ['REFERENCE_2_VIDEO', 2],
    ['REFERENCE_2_VIDEO', 3],
  ])('accepts %s with %i image(s)', async (generationType, count) => {
    const { post } = await createTestEmulator();
    const body = {
      shots: [shot({ generationType, aspectRatio: '9:16', imageUrls: Array(count).fill(IMAGE) })],
    };
    expect((await post(GENERATE, body)).status).toBe(200);
  });

  it('names the shot and field in the message of INVALID_INPUT', async () => {
    const { post } = await createTestEmulator();
    const { error } = (await post(GENERATE, { shots: [shot(), shot({ id: 'b', aspectRatio: '4:3' })] })).body;
    expect(error).toBe('Invalid parameter shots[1].aspectRatio: expected one of "16:9"|"9:16"');
  });
});

describe('Veo 3.1 check-status', () => {
  async function startTasks(count: number) {
    const emulator = await createTestEmulator();
    const { id } = emulator.createAccount('k', { speed: 1 });
    const { body } = await emulator.post(GENERATE, { shots: shots(count) }, 'k');
    const taskIds = body.shots.map(({ shotId, taskId }: Record<string, string>) => ({ shotId, taskId }));
    const poll = async () => (await emulator.post(CHECK, { taskIds }, 'k')).body;
    const ends = () => emulator.core.tasks.list(id, 100).map(({ plan }) => plan.endMs);
    return { ...emulator, id, taskIds, poll, ends };
  }
  const statuses = ({ status, shots }: { status: string; shots: { status: string }[] }) => [
    status,
    ...shots.map((one) => one.status),
  ];

  it('runs the shots one after another', async () => {
    const { clock, poll, ends } = await startTasks(3);
    const [first, second, third] = ends() as [number, number, number];
    expect(statuses(await poll())).toEqual(['processing', 'processing', 'processing', 'processing']);
    clock.advance(first);
    expect(statuses(await poll())).toEqual(['processing', 'completed', 'processing', 'processing']);
    clock.advance(second - 1);
    expect(statuses(await poll())).toEqual(['processing', 'completed', 'processing', 'processing']);
    clock.advance(1);
    expect(statuses(await poll())).toEqual(['processing', 'completed', 'completed', 'processing']);
    clock.advance(third);
    const done = await poll();
    expect(statuses(done)).toEqual(['completed', 'completed', 'completed', 'completed']);
    // Each shot has its own time, without the wait for the others.
    expect(done.shots.map((one: { generationTime: number }) => one.generationTime)).toEqual(
      ends().map((ms) => ms / 1000),
    );
  });

  it('draws 90 to 300 seconds per shot', async () => {
    const { ends } = await startTasks(21);
    expect(Math.min(...ends())).toBeGreaterThanOrEqual(90_000);
    expect(Math.max(...ends())).toBeLessThanOrEqual(300_000);
  });

  it('refunds only the failed shot and continues with the next', async () => {
    const { clock, core, id, poll, taskIds, account, ends } = await startTasks(3);
    core.tasks.fail(id, taskIds[0].taskId, 'GENERATION_FAILED');
    expect(account('k').balance).toBe(1000 - 20);
    clock.advance(ends()[1]!);
    expect(statuses(await poll())).toEqual(['processing', 'failed', 'completed', 'processing']);
    clock.advance(ends()[2]!);
    const done = await poll();
    expect(statuses(done)).toEqual(['failed', 'failed', 'completed', 'completed']);
    expect(done.shots[0]).toEqual({ ...taskIds[0], status: 'failed', error: 'Video generation failed' });
    expect(core.ledger.entries(id, 100).filter(({ kind }) => kind === 'refund')).toHaveLength(1);
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('is processing while one of the polled shots runs', async () => {
    const { clock, post, taskIds, ends } = await startTasks(2);
    clock.advance(ends()[0]!);
    const overall = async (polled: unknown[]) => (await post(CHECK, { taskIds: polled }, 'k')).body.status;
    expect(await overall([taskIds[0]])).toBe('completed');
    expect(await overall([taskIds[1]])).toBe('processing');
    expect(await overall([taskIds[1], taskIds[0]])).toBe('processing');
  });

  it('advances an auto clock by one shot with each poll', async () => {
    const { post } = await createTestEmulator();
    const { body } = await post(GENERATE, { shots: shots(3) }, 'np_test_auto');
    const taskIds = body.shots.map(({ shotId, taskId }: Record<string, string>) => ({ shotId, taskId }));
    const poll = async () => (await post(CHECK, { taskIds }, 'np_test_auto')).body.status;
    expect([await poll(), await poll(), await poll()]).toEqual(['processing', 'processing', 'completed']);
  });

  it.each([
    [{}, 'TASK_IDS_REQUIRED'],
    [{ taskIds: null }, 'TASK_IDS_REQUIRED'],
    [{ taskIds: 'task_x' }, 'TASK_IDS_REQUIRED'],
    [{ taskIds: [] }, 'TASK_IDS_REQUIRED'],
    [{ taskIds: [{ shotId: 's' }] }, 'TASK_IDS_REQUIRED'],
    [{ taskIds: [{ shotId: 's', taskId: '' }] }, 'TASK_IDS_REQUIRED'],
    [{ taskIds: ['task_x'] }, 'INVALID_INPUT'],
    [{ taskIds: Array(1001).fill({ shotId: 's', taskId: 'task_x' }) }, 'INVALID_INPUT'],
    [{ taskIds: [{ taskId: 'task_x' }] }, 'INVALID_INPUT'],
    [{ taskIds: [{ shotId: 's', taskId: 'task_x' }], resolution: '8k' }, 'INVALID_INPUT'],
  ])('rejects %# with %s', async (body, errorCode) => {
    const { post } = await createTestEmulator();
    expect(await post(CHECK, body)).toMatchObject({ status: 400, body: { success: false, errorCode } });
  });

  it('does not find unknown shots, or tasks of other keys, families or shots', async () => {
    const { post, taskIds } = await startTasks(2);
    const [one, two] = taskIds;
    const sora = (await post('/api/sora-2/generate', { prompt: 'a', mode: 'textToVideo' }, 'k')).body.taskId;
    const notFound = { status: 404, body: { success: false, errorCode: 'TASK_NOT_FOUND' } };
    expect(await post(CHECK, { taskIds: [one, { ...two, taskId: 'task_x' }] }, 'k')).toMatchObject(notFound);
    expect(await post(CHECK, { taskIds: [{ ...one, shotId: 'shot-2' }] }, 'k')).toMatchObject(notFound);
    expect(await post(CHECK, { taskIds: [one] }, 'np_test_default')).toMatchObject(notFound);
    expect(await post(CHECK, { taskIds: [{ shotId: 'shot-1', taskId: sora }] }, 'k')).toMatchObject(notFound);
    expect((await post(CHECK, { taskIds: [one, two], resolution: '720p' }, 'k')).status).toBe(200);
  });

  it.each([200, 500])('responds with --failed-task-status %i for failed shots', async (status) => {
    const { post, core, account } = await createTestEmulator(['--failed-task-status', String(status)]);
    const {
      shots: [only],
    } = (await post(GENERATE, { shots: [shot()] })).body;
    core.tasks.fail(account('np_test_default').id, only.taskId, 'GENERATION_FAILED');
    const taskIds = [{ shotId: only.shotId, taskId: only.taskId }];
    expect(await post(CHECK, { taskIds })).toMatchObject({ status, body: { status: 'failed' } });
  });
});
