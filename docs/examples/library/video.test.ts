import { type AccountControl, type RunningEmulator, startEmulator } from 'nanophoto-emulator';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

/** The code under test, as in an application: it does not know about the emulator. */
async function makeVideo(baseUrl: string, apiKey: string, prompt: string): Promise<string> {
  const call = async (path: string, body: object): Promise<Record<string, string>> => {
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
  }
}

let emulator: RunningEmulator;
let account: AccountControl;

// With an auto clock, each poll advances the time to the task's next step.
beforeAll(async () => {
  emulator = await startEmulator({ clock: 'auto' });
});
afterAll(() => emulator.close());

// One account per test, with its own credits, tasks, rules and journal.
beforeEach(async () => {
  account = await emulator.accounts.create({ credits: 10 });
});

describe('makeVideo', () => {
  it('pays for a video and can download it', async () => {
    const url = await makeVideo(emulator.url, account.key, 'A golden retriever on a beach');
    expect((await fetch(url)).headers.get('content-type')).toBe('video/mp4');
    const { balance, held, entries } = await account.ledger();
    expect([balance, held]).toEqual([6, 0]);
    expect(entries.map(({ kind }) => kind)).toEqual(['grant', 'hold', 'capture']);
  });

  it('reports the error of a failed task and gets a refund', async () => {
    await account.faults.add({ at: 'task', effect: { fail: true }, times: 1 });
    await expect(makeVideo(emulator.url, account.key, 'A cat')).rejects.toThrow('GENERATION_FAILED');
    expect((await account.get()).credits).toBe(10);
  });

  it('passes the verdict', async () => {
    await makeVideo(emulator.url, account.key, 'A cat');
    expect(await account.verdict()).toEqual({ ok: true, findings: [] });
    expect(await account.requests.count({ path: '/api/sora-2/generate' })).toBe(1);
  });
});
