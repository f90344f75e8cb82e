import { expect, it, vi } from 'vitest';
import { createTestEmulator } from './emulator.ts';

interface VideoFamily {
  family: string;
  valid: object;
  price: number;
  /** Typical simulated duration. */
  seconds: [min: number, max: number];
  /** The values of `progress`, in order. */
  steps: string[];
  /** The URL fields of a completed task. */
  completed: (taskId: string) => { videoUrl: string; [more: string]: string };
}

const OTHER_FAMILIES = {
  'sora-2': { prompt: 'a', mode: 'textToVideo' },
  'sora-2-tvc': { adTheme: 'a' },
  'nano-banana-2': { prompt: 'a', mode: 'generate' },
};

/** Tests the exact poll responses of a family with the responses of Sora 2. */
export function itRespondsLikeSora2({ family, valid, price, seconds, steps, completed }: VideoFamily): void {
  const GENERATE = `/api/${family}/generate`;
  const CHECK = `/api/${family}/check-status`;

  async function startTask(flags: string[] = []) {
    const emulator = await createTestEmulator(flags);
    const { id } = emulator.createAccount('k', { speed: 1 });
    const { taskId } = (await emulator.post(GENERATE, valid, 'k')).body;
    const poll = () => emulator.post(CHECK, { taskId }, 'k');
    return { ...emulator, id, taskId, poll, plan: emulator.core.tasks.find(id, taskId)!.plan };
  }

  it.each([{}, { taskId: null }, { taskId: 7 }, { taskId: '' }, { taskId: '  ' }, { taskId: ['task_x'] }])(
    'rejects %j with TASK_ID_REQUIRED',
    async (body) => {
      const { post } = await createTestEmulator();
      expect(await post(CHECK, body)).toMatchObject({
        status: 400,
        body: { success: false, errorCode: 'TASK_ID_REQUIRED' },
      });
    },
  );

  it('does not find unknown tasks or tasks of other keys or families', async () => {
    const { post, taskId } = await startTask();
    const notFound = { status: 404, body: { success: false, errorCode: 'TASK_NOT_FOUND' } };
    expect(await post(CHECK, { taskId: 'task_abc123' }, 'k')).toMatchObject(notFound);
    expect(await post(CHECK, { taskId }, 'np_test_other')).toMatchObject(notFound);
    const otherFamilies = Object.entries(OTHER_FAMILIES).filter(([name]) => name !== family);
    expect(otherFamilies.length).toBeGreaterThan(1);
    for (const [name, body] of otherFamilies) {
      const otherTaskId = (await post(`/api/${name}/generate`, body, 'k')).body.taskId;
      expect(otherTaskId).toMatch(/^task_/);
      expect(await post(CHECK, { taskId: otherTaskId }, 'k')).toMatchObject(notFound);
    }
  });

  it('responds with each step and the result, exactly as documented', async () => {
    const { poll, taskId, plan, clock, core, id } = await startTask();
    expect(plan.steps.map(({ name }) => name)).toEqual(steps);
    let nowMs = 0;
    for (const { name, atMs } of plan.steps) {
      clock.advance(atMs - nowMs);
      nowMs = atMs;
      expect((await poll()).text).toBe(
        `{"success":true,"status":"processing","progress":"${name}","message":"Video generation ${name}","taskId":"${taskId}"}`,
      );
    }
    clock.advance(plan.endMs - 1 - nowMs);
    expect((await poll()).body.status).toBe('processing');
    clock.advance(1);
    const response = await poll();
    expect(response.status).toBe(200);
    const { videoUrl, ...extraFields } = completed(taskId);
    const expectedHead = { success: true, status: 'completed', videoUrl, taskId };
    const rest = { generationTime: plan.endMs / 1000, creditsUsed: price, ...extraFields };
    expect(response.text).toBe(JSON.stringify({ ...expectedHead, ...rest }));
    clock.advance(86_400_000);
    expect((await poll()).text).toBe(response.text);
    expect(core.ledger.entries(id, 10).map(({ kind }) => kind)).toEqual(['grant', 'hold', 'capture']);
  });

  it(`takes ${seconds.join(' to ')} simulated seconds`, async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k', { credits: 100_000, rateLimit: null });
    const submitted = vi.spyOn(core.tasks, 'submit');
    for (let n = 0; n < 60; n++) await post(GENERATE, valid, 'k');
    expect(submitted.mock.lastCall![1][0]!.template.typicalSeconds).toEqual(seconds);
    const ends = core.tasks.list(id, 100).map(({ plan }) => plan.endMs / 1000);
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(seconds[0]);
    expect(Math.max(...ends)).toBeLessThanOrEqual(seconds[1]);
    expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan((seconds[1] - seconds[0]) / 2);
  });

  it('does not advance an auto clock when another family polls', async () => {
    const { post, account } = await createTestEmulator();
    const { taskId } = (await post(GENERATE, valid, 'np_test_auto')).body;
    const { clockMs } = account('np_test_auto');
    for (const [name] of Object.entries(OTHER_FAMILIES)) {
      if (name === family) continue;
      const ids = { taskId, generationId: taskId.replace('task_', 'gen_') };
      expect((await post(`/api/${name}/check-status`, ids, 'np_test_auto')).status).toBe(404);
    }
    expect(account('np_test_auto').clockMs).toBe(clockMs);
  });

  it('advances by one step with each poll on an auto clock', async () => {
    const { post } = await createTestEmulator();
    const { taskId } = (await post(GENERATE, valid, 'np_test_auto')).body;
    const reported: string[] = [];
    for (const _step of steps) {
      const { status, progress } = (await post(CHECK, { taskId }, 'np_test_auto')).body;
      reported.push(progress ?? status);
    }
    expect(reported).toEqual([...steps.slice(1), 'completed']);
  });

  it.each([200, 500])('responds with --failed-task-status %i for a failed task and refunds it', async (status) => {
    const { poll, core, id, taskId, account } = await startTask(['--failed-task-status', String(status)]);
    expect(account('k').balance).toBe(1000 - price);
    core.tasks.fail(id, taskId, 'GENERATION_FAILED');
    const response = await poll();
    expect(response.status).toBe(status);
    expect(response.text).toBe(
      `{"success":false,"status":"failed","error":"Video generation failed","errorCode":"GENERATION_FAILED","taskId":"${taskId}"}`,
    );
    expect(account('k').balance).toBe(1000);
  });
}
