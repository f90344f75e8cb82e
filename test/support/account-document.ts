import type { TestEmulator } from './emulator.ts';
import { ORDERS, SHOT } from './results.ts';

/** A document of an account with a completed and a running task, a fault rule and a rate limit. */
export function buildDocument({ key = 'np_imported' } = {}) {
  const at = '2026-01-15T12:00:00.000Z';
  const plan = { steps: [{ name: 'generating', atMs: 0 }], endMs: 100_000, outcome: { status: 'completed' } };
  const input = { prompt: 'a cat', mode: 'textToVideo' };
  const task = { family: 'sora-2', price: 4, stepIndex: 0, createdAt: at, startedAt: at, plan, input };
  return structuredClone({
    format: 'nanophoto-emulator/account',
    version: 1,
    account: {
      key,
      seed: 'test',
      clock: { mode: 'frozen', now: '2026-01-15T12:02:00.000Z' },
      ...{ speed: 1, failureRate: 0, revoked: false, createdAt: at },
      initial: { credits: 10, rateLimit: 100, clock: { mode: 'frozen' }, speed: 1, failureRate: 0, seed: 'test' },
    },
    ledger: [
      { seq: 1, kind: 'grant', amount: 10, balance: 10, reason: 'initial credits', at },
      { seq: 2, kind: 'hold', amount: -4, balance: 6, task: 1, at },
      { seq: 3, kind: 'hold', amount: -4, balance: 2, task: 2, at },
      { seq: 4, kind: 'capture', amount: 0, balance: 2, task: 1, hold: 2, at: '2026-01-15T12:01:40.000Z' },
    ],
    tasks: [
      {
        ...{ seq: 1, id: 'task_one', status: 'completed', hold: 2, ...task },
        ...{ finishedAt: '2026-01-15T12:01:40.000Z', simulatedMs: 100_000 },
      },
      {
        ...{ seq: 2, id: 'task_two', status: 'processing', hold: 3, ...task },
        ...{ dueAt: '2026-01-15T12:03:20.000Z', plan: { ...plan, endMs: 200_000 } },
      },
    ],
    faults: [{ rule: { match: {}, at: 'request', effect: { delayMs: 0 }, times: 3 }, matched: 1, fired: 1 }],
    rateLimit: { limit: 50, count: 7, resetAt: '2026-01-15T13:00:00.000Z' },
  });
}

/** Gives an account tasks of every kind and status, ledger entries of every kind, and fault rules that have fired. */
export async function useAccount({ post, core, account }: TestEmulator, key: string): Promise<void> {
  async function send(path: string, body: object, bearer: string | null = key): Promise<void> {
    const { status, text } = await post(path, body, bearer);
    if (status >= 300) throw new Error(`${path} responded with ${status}: ${text}`);
  }
  const submit = (path: string, body: object) => send(`${path}/generate`, body);
  const control = (path: string, body: object) => send(`/__admin/accounts/${key}${path}`, body, null);
  const sora = ORDERS['sora-2'];
  await control('/credits', { amount: 500, reason: 'Geburtstag 🎂' });
  await control('/credits', { amount: -7 });
  await control('/faults', { at: 'task', effect: { fail: true }, after: 1, times: 1, match: { contains: 'fail' } });
  await control('/faults', {
    at: 'request',
    match: { endpoint: '/api/other' },
    effect: { answer: { status: 418, body: { a: [1, { b: null }] } } },
    seed: 7,
  });
  for (const prompt of ['evicted', 'failing', 'failing again', 'hang @emulator(hang)']) {
    await submit(sora.path, { ...sora.body, prompt });
  }
  await send('/api/sora/remove-watermark', { share_link: 'https://sora.chatgpt.com/p/s_1' });
  // The failure rate may make it fail.
  await post('/api/sora-2/generate-prompt', { topic: 'a "quoted" \u2028 topic', locale: 'de' }, key);
  for (const family of ['nano-banana-pro', 'sora-2-tvc'] as const) {
    await submit(ORDERS[family].path, ORDERS[family].body);
  }
  await control('/clock/advance', { ms: 3_600_000 });
  core.db.exec(`DELETE FROM tasks WHERE account_id = ${account(key).id} AND seq = 1`);
  await submit('/api/veo-3', { shots: [SHOT, { ...SHOT, id: 'two' }, { ...SHOT, id: 'three' }] });
  await control('/clock/advance', { ms: 60_000 });
  await submit(ORDERS['nano-banana-2'].path, ORDERS['nano-banana-2'].body);
  await control('/clock/advance', { toNext: true });
}
