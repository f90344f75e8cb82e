import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';

const BASE_URL = process.env.NANOPHOTO_API_BASE_URL ?? 'http://127.0.0.1:6266';

const sleep = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

/** The code under test, as in an application: it does not know about the emulator. How it waits is a parameter. */
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

/** For an auto clock, where each poll advances to the next step. */
const noWait = async () => {};

/** One key per test, with its own credits, tasks, clock and journal, so that tests can run in parallel. */
let key: string;

async function control(method: string, path: string, body?: object) {
  const response = await fetch(`${BASE_URL}/__admin/accounts${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: responses have many shapes
  return (await response.json()) as any;
}

beforeEach(async () => {
  key = `np_test_${randomUUID()}`;
  // With an auto clock, each poll advances the time to the task's next step.
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

  it('reports the error of a failed task and gets a refund', async () => {
    await control('POST', `/${key}/faults`, { at: 'task', effect: { fail: true } });
    await expect(makeVideo(key, 'A cat', noWait)).rejects.toThrow('GENERATION_FAILED');
    expect((await control('GET', `/${key}`)).credits).toBe(10);
  });

  it('fails without credits after a single request', async () => {
    await control('POST', `/${key}/credits`, { amount: -10 });
    await expect(makeVideo(key, 'A cat', noWait)).rejects.toThrow('INSUFFICIENT_CREDITS');
    expect(await control('GET', `/${key}/requests/count`)).toEqual({ count: 1 });
  });

  it('fails when the rate limit is exhausted', async () => {
    await control('PUT', `/${key}/rate-limit`, { remaining: 1 });
    await expect(makeVideo(key, 'A cat', noWait)).rejects.toThrow('API_KEY_RATE_LIMIT_EXCEEDED');
  });

  it('polls a two-minute video every five seconds and passes the verdict', async () => {
    await control('PUT', `/${key}/clock`, { mode: 'frozen' });
    // Advances the clock instead of waiting.
    const wait = (ms: number) => control('POST', `/${key}/clock/advance`, { ms });
    await makeVideo(key, 'A cat @emulator(duration=2m)', wait);
    const polls = await control('GET', `/${key}/requests/count?path=/api/sora-2/check-status`);
    expect(polls).toEqual({ count: 25 });
    expect(await control('GET', `/${key}/verdict`)).toEqual({ ok: true, findings: [] });
  });
});
