import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';

const BASE_URL = process.env.NANOPHOTO_API_BASE_URL ?? 'http://127.0.0.1:6266';

const sleep = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

/** The code under test: what an application would have. It knows nothing of the emulator; how it waits is a parameter. */
async function makeVideo(apiKey: string, prompt: string, wait = sleep, baseUrl = BASE_URL): Promise<string> {
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
    if (status.status !== 'processing') throw new Error(status.errorCode);
    await wait(5000);
  }
}

/** For an auto clock, where the next poll is always the next step. */
const noWait = async () => {};

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
    const url = await makeVideo(key, 'A golden retriever on a beach', noWait);
    expect(url).toMatch(/\.mp4$/);
    const { balance, held, entries } = await control('GET', `/${key}/ledger`);
    expect([balance, held]).toEqual([6, 0]);
    expect(entries.map(({ kind }: { kind: string }) => kind)).toEqual(['grant', 'hold', 'capture']);
  });

  it('says why there is no video, and has its credits back', async () => {
    await control('POST', `/${key}/faults`, { at: 'task', effect: { fail: true } });
    await expect(makeVideo(key, 'A cat', noWait)).rejects.toThrow('GENERATION_FAILED');
    expect((await control('GET', `/${key}`)).credits).toBe(10);
  });

  it('fails without credits, and sends one request only', async () => {
    await control('POST', `/${key}/credits`, { amount: -10 });
    await expect(makeVideo(key, 'A cat', noWait)).rejects.toThrow('INSUFFICIENT_CREDITS');
    expect(await control('GET', `/${key}/requests/count`)).toEqual({ count: 1 });
  });

  it('gives up when its requests of the hour are used up', async () => {
    await control('PUT', `/${key}/rate-limit`, { remaining: 1 });
    await expect(makeVideo(key, 'A cat', noWait)).rejects.toThrow('API_KEY_RATE_LIMIT_EXCEEDED');
  });

  it('asks every five seconds for a video of two minutes, and has manners', async () => {
    await control('PUT', `/${key}/clock`, { mode: 'frozen' });
    // Whenever the client waits, its time passes at once.
    const wait = (ms: number) => control('POST', `/${key}/clock/advance`, { ms });
    await makeVideo(key, 'A cat @emulator(duration=2m)', wait);
    const polls = await control('GET', `/${key}/requests/count?path=/api/sora-2/check-status`);
    expect(polls).toEqual({ count: 25 });
    expect(await control('GET', `/${key}/verdict`)).toEqual({ ok: true, findings: [] });
  });
});
