import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';

const BASE_URL = process.env.NANOPHOTO_API_BASE_URL ?? 'http://127.0.0.1:6266';

/** The code under test: what an application would have. It knows nothing of the emulator. */
async function makeVideo(baseUrl: string, apiKey: string, prompt: string, waitMs = 5000): Promise<string> {
  const call = async (path: string, body: object) => {
    const response = await fetch(baseUrl + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return (await response.json()) as Record<string, string>;
  };
  const job = await call('/api/sora-2/generate', { prompt, mode: 'textToVideo' });
  if (!job.taskId) throw new Error(job.errorCode);
  for (;;) {
    const status = await call('/api/sora-2/check-status', { taskId: job.taskId });
    if (status.status === 'completed') return status.videoUrl!;
    if (status.status === 'failed') throw new Error(status.errorCode);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** A key of the test's own: its credits, tasks, clock and journal are nobody else's, so tests run in parallel. */
let key: string;

async function control(method: string, path: string, body?: object) {
  const response = await fetch(`${BASE_URL}/__admin/accounts${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  return (await response.json()) as any;
}

beforeEach(async () => {
  key = `np_test_${randomUUID()}`;
  // With an auto clock each poll moves the time to the task's next step.
  await control('POST', '', { key, credits: 10, clock: 'auto' });
});

describe('makeVideo', () => {
  it('returns the URL of the video and pays for it', async () => {
    const url = await makeVideo(BASE_URL, key, 'A golden retriever on a beach', 0);
    expect(url).toMatch(/\.mp4$/);
    const { balance, held, entries } = await control('GET', `/${key}/ledger`);
    expect([balance, held]).toEqual([6, 0]);
    expect(entries.map(({ kind }: { kind: string }) => kind)).toEqual(['grant', 'hold', 'capture']);
  });

  it('says why there is no video, and has its credits back', async () => {
    await control('POST', `/${key}/faults`, { at: 'task', effect: { fail: true } });
    await expect(makeVideo(BASE_URL, key, 'A cat', 0)).rejects.toThrow('GENERATION_FAILED');
    expect((await control('GET', `/${key}`)).credits).toBe(10);
  });

  it('fails without credits, and sends one request only', async () => {
    await control('POST', `/${key}/credits`, { amount: -10 });
    await expect(makeVideo(BASE_URL, key, 'A cat', 0)).rejects.toThrow('INSUFFICIENT_CREDITS');
    expect(await control('GET', `/${key}/requests/count`)).toEqual({ count: 1 });
  });

  it('has manners', async () => {
    await makeVideo(BASE_URL, key, 'A cat', 0);
    expect(await control('GET', `/${key}/verdict`)).toEqual({ ok: true, findings: [] });
  });

  it('sees a video that takes its time, at exactly the moment it should', async () => {
    await control('PUT', `/${key}/clock`, { mode: 'frozen' });
    const video = makeVideo(BASE_URL, key, 'A cat @emulator(duration=2m)', 1);
    let task: { id: string } | undefined;
    while (!task) [task] = (await control('GET', `/${key}/tasks`)).tasks;
    await control('POST', `/${key}/clock/advance`, { ms: 119_999 });
    expect((await control('GET', `/${key}/tasks/${task.id}`)).status).toBe('processing');
    await control('POST', `/${key}/clock/advance`, { ms: 1 });
    expect(await video).toContain(task.id);
  });
});
