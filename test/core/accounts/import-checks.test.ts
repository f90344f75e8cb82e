import { expect, it } from 'vitest';
import type { EntryRecord, TaskRecord } from '../../../src/core/accounts/account-rows.ts';
import { createImportChecks } from '../../../src/core/accounts/import-checks.ts';
import type { Plan } from '../../../src/core/tasks/plan.ts';

const PLAN: Plan = { steps: [{ name: 'generating', atMs: 0 }], endMs: 100, outcome: { status: 'completed' } };
const HANGING: Plan = { ...PLAN, outcome: { status: 'hangs' } };

const entry = (seq: number, kind: EntryRecord['kind'], taskSeq: number | null, atMs = 10): EntryRecord => {
  return { seq, kind, taskSeq, atMs, holdSeq: null, reason: null, amount: 0, balance: 0 };
};

type TaskValues = Partial<TaskRecord> & { plan?: never; usedPlan?: Plan };

/** A running task that is free. */
const running = (seq: number, values: TaskValues = {}): TaskValues => ({
  ...{ seq, status: 'processing', driver: 'worker', price: 0, step: 0, holdSeq: null, predecessorSeq: null },
  ...{ createdAtMs: 10, startedAtMs: 10, dueAtMs: 110, finishedAtMs: null, ...values },
});
const waiting = (seq: number, predecessorSeq: number) =>
  running(seq, { predecessorSeq, startedAtMs: null, dueAtMs: null });
const ended = (seq: number, values: TaskValues = {}) =>
  running(seq, { status: 'completed', dueAtMs: null, finishedAtMs: 110, ...values });
const evicted = (seq: number) => ({ seq, family: null });

/** Checks these rows. Returns the checks, and the first error. */
function check(entries: EntryRecord[], tasks: (TaskValues | ReturnType<typeof evicted>)[]) {
  const checks = createImportChecks();
  let error: unknown;
  try {
    for (const [index, row] of entries.entries()) checks.checkEntry(row, index);
    for (const [index, row] of tasks.entries()) {
      if (row.family === null) checks.checkEvicted(row as never, index);
      else checks.checkTask(row as TaskRecord, (row as TaskValues).usedPlan ?? PLAN, index);
    }
  } catch (thrown) {
    error = thrown;
  }
  return { checks, error };
}

const HOLD = entry(2, 'hold', 1);
const HELD = { holdSeq: 2, price: 4 };

it.each([
  ['a running task with a hold', [entry(1, 'grant', null), HOLD], [running(1, HELD)]],
  ['an ended task with a resolved hold', [HOLD, entry(3, 'capture', 1, 110)], [ended(1, HELD)]],
  [
    'a hold that is resolved at time 0',
    [entry(2, 'hold', 1, 0), entry(3, 'refund', 1, 0)],
    [ended(1, { ...HELD, createdAtMs: 0, finishedAtMs: 0 })],
  ],
  ['an evicted task with a resolved hold', [HOLD, entry(3, 'capture', 1, 110)], [evicted(1), running(2)]],
  ['an evicted task that was free', [], [evicted(1), evicted(2)]],
  [
    'two tasks with holds',
    [HOLD, entry(3, 'hold', 2, 20)],
    [running(1, HELD), running(2, { holdSeq: 3, price: 4, createdAtMs: 20 })],
  ],
  ['a task that waits for a running one', [], [running(1), waiting(2, 1), waiting(3, 2)]],
  ['a task that has started after its predecessor ended', [], [ended(1), running(2, { predecessorSeq: 1 })]],
  ['an ended task with a predecessor', [], [running(1), ended(2, { predecessorSeq: 1 })]],
  ['a task that hangs', [], [running(1, { usedPlan: HANGING, dueAtMs: null })]],
  ['a synchronous task', [], [running(1, { driver: 'stream', dueAtMs: null })]],
])('accepts %s', (_, entries, tasks) => {
  const { checks, error } = check(entries, tasks);
  expect(error).toBeUndefined();
  expect(checks.findUnusedHold()).toBeUndefined();
});

const SUCCESSOR_TOO_EARLY = 'not allowed before the predecessor has ended';
const NOT_DUE = 'not allowed for a task that waits, hangs or is synchronous';
const NO_PREDECESSOR = 'expected a time, unless a running task precedes this one';

it.each<[string, string, EntryRecord[], Parameters<typeof check>[1]]>([
  ['tasks[0].seq', 'expected 1', [], [running(2)]],
  ['tasks[1].seq', 'expected 2', [], [running(1), running(1)]],
  ['tasks[1].seq', 'expected 2', [], [evicted(1), evicted(3)]],
  ['tasks[0].holdSeq', 'expected 2, the number of its hold', [HOLD], [running(1)]],
  ['tasks[0].holdSeq', 'expected 2, the number of its hold', [HOLD], [running(1, { ...HELD, holdSeq: 1 })]],
  ['tasks[0].holdSeq', 'the ledger has no hold of this task', [], [running(1, HELD)]],
  ['tasks[0].createdAtMs', 'expected the time of ledger[1]', [HOLD], [running(1, { ...HELD, createdAtMs: 11 })]],
  [
    'tasks[0].finishedAtMs',
    'expected the time of its capture or refund',
    [HOLD, entry(3, 'capture', 1, 109)],
    [ended(1, HELD)],
  ],
  [
    'tasks[0].finishedAtMs',
    'expected the time of its capture or refund',
    [entry(2, 'hold', 1, 0), entry(3, 'refund', 1, 0)],
    [running(1, { ...HELD, createdAtMs: 0 })],
  ],
  ['tasks[0].price', 'expected 0, or a hold of the price', [], [running(1, { price: 1 })]],
  ['tasks[0].predecessorSeq', 'expected the number of an earlier task', [], [ended(1, { predecessorSeq: 1 })]],
  ['tasks[0].predecessorSeq', 'expected the number of an earlier task', [], [ended(1, { predecessorSeq: 2 })]],
  ['tasks[0].startedAtMs', NO_PREDECESSOR, [], [running(1, { startedAtMs: null, dueAtMs: null })]],
  ['tasks[1].startedAtMs', NO_PREDECESSOR, [], [ended(1), waiting(2, 1)]],
  ['tasks[1].startedAtMs', SUCCESSOR_TOO_EARLY, [], [running(1), running(2, { predecessorSeq: 1 })]],
  [
    'tasks[2].predecessorSeq',
    'expected a task without another successor',
    [],
    [running(1), waiting(2, 1), waiting(3, 1)],
  ],
  ['tasks[0].dueAtMs', 'expected the time of the next transition', [], [running(1, { dueAtMs: null })]],
  ['tasks[0].dueAtMs', NOT_DUE, [], [running(1, { usedPlan: HANGING })]],
  ['tasks[0].dueAtMs', NOT_DUE, [], [running(1, { driver: 'stream' })]],
  ['tasks[1].dueAtMs', NOT_DUE, [], [running(1), { ...waiting(2, 1), dueAtMs: 110 }]],
  ['ledger_entries[1].taskSeq', 'expected one hold per task', [HOLD, entry(3, 'hold', 1)], []],
  ['tasks[0]', 'expected a capture or refund of its hold, because the task has ended', [HOLD], [evicted(1)]],
])('rejects rows with an error at %s: %s', (path, message, entries, tasks) => {
  const { error } = check(entries, tasks);
  expect(error).toMatchObject({ message });
  const { table, index, field } = error as { table: string; index: number; field?: string };
  expect(`${table}[${index}]${field === undefined ? '' : `.${field}`}`).toBe(path);
});

it('finds a hold without a task', () => {
  const { checks } = check([HOLD, entry(3, 'hold', 2), entry(4, 'hold', 3)], [running(1, HELD)]);
  expect(checks.findUnusedHold()).toBe(3);
});

it('holds memory for unused holds and running tasks only', () => {
  const heldBytes = (...rows: Parameters<typeof check>) => check(...rows).checks.heldBytes;
  expect(heldBytes([HOLD, entry(3, 'hold', 2)], [])).toBe(240);
  expect(heldBytes([HOLD, entry(3, 'hold', 2)], [running(1, HELD)])).toBe(170);
  expect(heldBytes([HOLD, entry(3, 'capture', 1, 110)], [ended(1, HELD)])).toBe(0);
  expect(heldBytes([HOLD, entry(3, 'capture', 1, 110)], [evicted(1)])).toBe(0);
  const { checks } = check([HOLD, entry(3, 'hold', 2)], [running(1, HELD)]);
  checks.clear();
  expect(checks.heldBytes).toBe(0);
});
