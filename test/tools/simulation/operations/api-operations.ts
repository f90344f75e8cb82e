import { type AccountState, balanceOf, type Emit, type ModelTask, record } from '../model/account-model.ts';
import { type FamilyFacts, TASK_FAMILIES, TEXT_CALLS } from '../model/facts.ts';
import { dueAfter } from '../model/transitions.ts';
import { apiOperation } from './api-operation.ts';
import { type Expectation, findDifference, type Operation, type OperationContext, type Rows } from './operation.ts';

/** Directives of an order, and what they do to its tasks. */
const DIRECTIVES: readonly { text: string; outcome?: ModelTask['outcome']; endMs?: number }[] = [
  { text: '@emulator(fail)', outcome: 'failed' },
  { text: '@emulator(hang)', outcome: 'hangs' },
  { text: '@emulator(duration=90s)', endMs: 90_000 },
  { text: '@emulator(duration=0s)', endMs: 0 },
];

/** Returns the response that a rule at `charge` injects into the next order of a family; undefined for none. */
function fireRule(state: AccountState, family: string): Expectation | undefined {
  const rule = state.rules.find((rule) => rule.family === family && rule.fired < rule.times);
  if (!rule) return undefined;
  rule.fired += 1;
  return { status: 500, body: { errorCode: 'GENERATION_FAILED' } };
}

/** An order of a family with tasks. */
export function order(context: OperationContext): Operation {
  const { random, model, accounts } = context;
  const family = random.pick(TASK_FAMILIES);
  const { body, price, seconds } = random.pick(family.orders);
  const directive = random.next() < 0.3 ? random.pick(DIRECTIVES) : undefined;
  const prompt = `A storm ${directive?.text ?? ''}`;
  const key = random.pick(accounts).key;
  const isMultiple = family.form === 'shots' && !('resolution' in body);
  const refs = family.form === 'shots' ? ['a', 'b', 'c', 'd'].slice(0, isMultiple ? random.int(1, 4) : 1) : [null];
  const shots = refs.map((id) => ({ id, prompt, generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' }));
  const texts = family.name === 'sora-2-tvc' ? { adTheme: prompt } : { prompt };
  const credits = price * refs.length;
  let created: ModelTask[] = [];

  return {
    ...apiOperation(context, key, {
      path: `${family.path}/generate`,
      body: { ...body, ...(family.form === 'shots' ? { shots } : texts) },
      serve(account) {
        created = [];
        const { state } = account;
        const injected = fireRule(state, family.name);
        if (injected) return injected;
        const now = model.catchUp(account);
        if (balanceOf(state) < credits) return toRefusal(credits, family.hasBare402);
        created = refs.map((ref, index) => newTask(state, { family: family.name, price, ref, index, now }));
        return { status: 200, check: ({ json }) => checkAccepted(family, json, created) };
      },
    }),
    adopt(rows) {
      const { state } = model.accounts.get(key) ?? {};
      if (!state) return undefined;
      for (const task of created) {
        const problem = adoptPlan(rows, key, task, { steps: family.steps, seconds, directive });
        if (problem) return problem;
        if (task.startedAt !== null) task.dueAt = dueAfter(state, task, task.createdAt);
        addTask(state, task, model.emit(key));
      }
      return undefined;
    },
  };
}

/** A text or a watermark removal. Its task lasts as long as its response, which takes time only on a `real` clock. */
export function text(context: OperationContext): Operation {
  const { random, model, accounts } = context;
  const { path, family, body, price, seconds, step } = random.pick(TEXT_CALLS);
  const { key } = random.pick(accounts);
  let created: ModelTask[] = [];
  return {
    ...apiOperation(context, key, {
      ...{ path, body },
      serve(account) {
        created = [];
        const now = model.catchUp(account);
        if (balanceOf(account.state) < price) return toRefusal(price, false);
        const task = newTask(account.state, { family, price, ref: null, index: 0, now });
        created = [{ ...task, isStream: true }];
        return { status: 200 };
      },
    }),
    hasStarted: (rows) => created.length > 0 && rows.all(TASK_SQL, key, created[0]!.seq).length > 0,
    adopt(rows) {
      const { state } = model.accounts.get(key) ?? {};
      const [task] = created;
      if (!state || !task) return undefined;
      const problem = adoptPlan(rows, key, task, { steps: [[step, 0]], seconds });
      if (problem) return problem;
      addTask(state, task, model.emit(key));
      return undefined;
    },
  };
}

interface NewTask {
  family: string;
  price: number;
  ref: string | null;
  /** Position in its order: each task waits for the one before it. */
  index: number;
  now: number;
}

function newTask({ tasks }: AccountState, { family, price, ref, index, now }: NewTask): ModelTask {
  const seq = tasks.length + 1 + index;
  return {
    ...{ seq, family, price, ref, createdAt: now, id: '', isStream: false, steps: [], endMs: 0, outcome: 'completed' },
    ...{ status: 'processing', step: 0, dueAt: null, finishedAt: null, simulatedMs: null, errorCode: null },
    ...{ follows: index > 0 ? seq - 1 : null, startedAt: index > 0 ? null : now },
  };
}

function addTask(state: AccountState, task: ModelTask, emit: Emit): void {
  state.tasks.push(task);
  if (task.price > 0) record(state, 'hold', -task.price, task.id, null, task.createdAt, emit);
  emit({ taskId: task.id, from: 'created', to: 'processing', at: task.createdAt });
}

interface PlanFacts {
  steps: FamilyFacts['steps'];
  seconds: readonly [number, number];
  directive?: (typeof DIRECTIVES)[number] | undefined;
}

const TASK_SQL =
  'SELECT tasks.id, plan FROM tasks JOIN accounts ON accounts.id = account_id WHERE key = ? AND tasks.seq = ?';

/** Reads what was drawn for a task, and returns what is wrong with it. */
function adoptPlan(rows: Rows, key: string, task: ModelTask, { steps, seconds, directive }: PlanFacts) {
  const [row] = rows.all(TASK_SQL, key, task.seq);
  if (!row) return `task ${task.seq} of ${key} has no row`;
  const plan = JSON.parse(row.plan);
  Object.assign(task, { id: row.id, steps: plan.steps, endMs: plan.endMs, outcome: plan.outcome.status });
  const fixedMs = directive?.endMs;
  const [min, max] = fixedMs === undefined ? seconds : ([fixedMs / 1000, fixedMs / 1000] as const);
  if (plan.endMs < min * 1000 || plan.endMs > max * 1000 || plan.endMs % 1000 !== 0)
    return `${row.id} takes ${plan.endMs} ms`;
  const expected = steps.map(([name, share]) => ({ name, atMs: Math.round(share * plan.endMs) }));
  const outcome = directive?.outcome ?? 'completed';
  return findDifference({ steps: plan.steps, outcome: plan.outcome.status }, { steps: expected, outcome }, row.id);
}

function checkAccepted({ form }: FamilyFacts, json: unknown, created: readonly ModelTask[]): string | undefined {
  const [{ id: taskId, price } = { id: '', price: 0 }] = created;
  if (form === 'video') return findDifference(json, { success: true, status: 'processing', taskId });
  const generationId = taskId.replace('task_', 'gen_');
  if (form === 'image') return findDifference(json, { success: true, status: 'pending', taskId, generationId });
  const shots = created.map(({ id, ref }) => ({ shotId: ref, taskId: id, status: 'processing' }));
  return findDifference(json, { status: 'processing', shots, creditsUsed: price * created.length });
}

const toRefusal = (requiredCredits: number, isBare: boolean): Expectation => ({
  status: 402,
  body: { success: isBare ? undefined : false, errorCode: 'INSUFFICIENT_CREDITS', requiredCredits },
});
