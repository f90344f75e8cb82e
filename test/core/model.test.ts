import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTestEmulator, type TestEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTestClock } from '../support/test-clock.ts';

/**
 * Random sequences of requests and control-plane operations on two keys, compared with a small arithmetic model. After
 * each step the emulator and the model must agree on both keys.
 */
const KEYS = ['np_a', 'np_b'] as const;
type Key = (typeof KEYS)[number];
const CREDITS = 20;
const PRICE = 4;

interface ModelTask {
  id: string;
  status: 'processing' | 'completed' | 'failed';
  endsAtMs: number;
  fails: boolean;
}
interface Model {
  nowMs: number;
  balance: number;
  tasks: ModelTask[];
  /** Effects of the pending fault rules on the next submissions, in order. */
  rules: ('refuse' | 'fail')[];
  snapshots: Map<string, Model>;
}

const key = fc.constantFrom(...KEYS);
const name = fc.constantFrom('s1', 's2');
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('submit' as const), key }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('advance' as const), key, ms: fc.nat(200_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('poll' as const), key, of: key, index: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      key,
      index: fc.nat(9),
      verb: fc.constantFrom('complete' as const, 'fail' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      key,
      rule: fc.constantFrom('refuse' as const, 'fail' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('snapshot' as const), key, name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restore' as const), key, name }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('credits' as const),
      key,
      amount: fc.integer({ min: -9, max: 9 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const START = '2026-01-15T12:00:00.000Z';
const createModel = (): Model => ({
  nowMs: Date.parse(START),
  balance: CREDITS,
  tasks: [],
  rules: [],
  snapshots: new Map(),
});
const copyModel = (model: Model): Model => ({
  ...model,
  tasks: model.tasks.map((task) => ({ ...task })),
  rules: [...model.rules],
  snapshots: new Map(),
});

function finish(model: Model, task: ModelTask, failed: boolean): void {
  task.status = failed ? 'failed' : 'completed';
  if (failed) model.balance += PRICE;
}

/** Applies the step to the emulator and to the model, and compares the response. */
async function applyStep(emulator: TestEmulator, models: Record<Key, Model>, step: Exclude<Step, { do: 'restart' }>) {
  const model = models[step.key];
  const control = (method: string, path: string, body?: unknown) =>
    emulator.send(method, `/__admin/accounts/${step.key}${path}`, { key: null, body });

  switch (step.do) {
    case 'submit': {
      const response = await emulator.post('/api/sora-2/generate', { prompt: 'a', mode: 'textToVideo' }, step.key);
      // Rules at `charge` are matched first; rules at `task` only when a task is created.
      const refusal = model.rules.indexOf('refuse');
      if (refusal !== -1) {
        model.rules.splice(refusal, 1);
        expect(response.status).toBe(500);
        return;
      }
      if (model.balance < PRICE) {
        expect(response).toMatchObject({ status: 402, body: { requiredCredits: PRICE } });
        return;
      }
      const failure = model.rules.indexOf('fail');
      if (failure !== -1) model.rules.splice(failure, 1);
      expect(response.status).toBe(200);
      model.balance -= PRICE;
      const id = response.body.taskId as string;
      const { plan } = emulator.core.tasks.find(emulator.account(step.key).id, id)!;
      model.tasks.push({
        id,
        status: 'processing',
        endsAtMs: model.nowMs + plan.endMs,
        fails: failure !== -1,
      });
      return;
    }
    case 'advance': {
      const { body } = await control('POST', '/clock/advance', { ms: step.ms });
      model.nowMs += step.ms;
      const due = model.tasks.filter(({ status, endsAtMs }) => status === 'processing' && endsAtMs <= model.nowMs);
      for (const task of due) finish(model, task, task.fails);
      expect(body.transitions.map(({ taskId }: { taskId: string }) => taskId).sort()).toEqual(
        due.map(({ id }) => id).sort(),
      );
      return;
    }
    case 'poll': {
      const task = models[step.of].tasks[step.index];
      const taskId = task?.id ?? 'task_unknown';
      const response = await emulator.post('/api/sora-2/check-status', { taskId }, step.key);
      if (!task || !model.tasks.some(({ id }) => id === taskId)) expect(response.status).toBe(404);
      else expect(response.body.status).toBe(task.status);
      return;
    }
    case 'end': {
      const task = model.tasks[step.index];
      const { status } = await control('POST', `/tasks/${task?.id ?? 'task_unknown'}/${step.verb}`);
      expect(status).toBe(!task ? 404 : task.status === 'processing' ? 200 : 409);
      if (task?.status === 'processing') finish(model, task, step.verb === 'fail');
      return;
    }
    case 'fault': {
      const rule =
        step.rule === 'refuse'
          ? { at: 'charge', effect: { errorCode: 'INTERNAL_ERROR' }, times: 1 }
          : { at: 'task', effect: { fail: true }, times: 1 };
      expect((await control('POST', '/faults', rule)).status).toBe(201);
      model.rules.push(step.rule);
      return;
    }
    case 'snapshot': {
      expect((await control('POST', '/snapshots', { name: step.name })).status).toBe(201);
      model.snapshots.set(step.name, copyModel(model));
      return;
    }
    case 'restore': {
      const saved = model.snapshots.get(step.name);
      expect((await control('POST', `/snapshots/${step.name}/restore`)).status).toBe(saved ? 200 : 404);
      if (saved) models[step.key] = { ...copyModel(saved), snapshots: model.snapshots };
      return;
    }
    case 'credits': {
      const { status } = await control('POST', '/credits', { amount: step.amount });
      const isPossible = step.amount !== 0 && model.balance + step.amount >= 0;
      expect(status).toBe(step.amount === 0 ? 400 : isPossible ? 200 : 409);
      if (isPossible) model.balance += step.amount;
      return;
    }
    case 'reset': {
      expect((await control('POST', '/reset')).status).toBe(200);
      models[step.key] = createModel();
    }
  }
}

/** Compares the state of a key in the emulator with its model. */
async function compare(emulator: TestEmulator, accountKey: Key, model: Model): Promise<void> {
  const read = async (path: string) => (await emulator.get(`/__admin/accounts/${accountKey}${path}`)).body;
  const { credits, clock } = await read('');
  const ledger = await read('/ledger?limit=1000');
  const { tasks } = await read('/tasks?limit=1000');
  expect({
    credits,
    balance: ledger.balance,
    sum: ledger.entries.reduce((sum: number, { amount }: { amount: number }) => sum + amount, 0),
    held: ledger.held,
    now: clock.now,
    tasks: tasks.map(({ id, status }: ModelTask) => [id, status]),
    verify: await read('/ledger/verify'),
  }).toEqual({
    credits: model.balance,
    balance: model.balance,
    sum: model.balance,
    held: model.tasks.filter(({ status }) => status === 'processing').length * PRICE,
    now: new Date(model.nowMs).toISOString(),
    tasks: model.tasks.map(({ id, status }) => [id, status]),
    verify: { ok: true, problems: [] },
  });
  const resolved = ledger.entries.filter(({ kind }: { kind: string }) => kind === 'capture' || kind === 'refund');
  const ids = resolved.map(({ taskId }: { taskId: string }) => taskId);
  expect(new Set(ids).size).toBe(ids.length);
}

describe('emulator under random use', () => {
  it('matches the model of ledger, tasks, clocks, fault rules, snapshots and resets, across restarts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const dataDir = tempDir();
        const clock = createTestClock();
        const open = () => createTestEmulator(['--data-dir', dataDir, '--rate-limit', 'off'], clock);
        let emulator = await open();
        for (const accountKey of KEYS) {
          const body = { key: accountKey, credits: CREDITS, clock: { mode: 'frozen', now: START } };
          await emulator.send('POST', '/__admin/accounts', { key: null, body });
        }
        const models: Record<Key, Model> = { np_a: createModel(), np_b: createModel() };
        for (const current of steps) {
          if (current.do === 'restart') {
            await emulator.close();
            emulator = await open();
          } else await applyStep(emulator, models, current);
          for (const accountKey of KEYS) await compare(emulator, accountKey, models[accountKey]);
        }
        await emulator.close();
      }),
      { numRuns: 40 },
    );
  });
});
