import { InvalidRow } from '../storage/bulk-insert.ts';
import { nextTransitionMs, type Plan } from '../tasks/plan.ts';
import type { EntryRecord, EvictedRecord, TaskRecord } from './account-rows.ts';

/** Approximate size of an entry of the maps. */
const HOLD_BYTES = 120;
const RUNNING_BYTES = 50;

/** Checks those relations between the rows of an account that the constraints and triggers of the database leave out. */
export function createImportChecks() {
  /** Holds without a task so far, by the number of their task. */
  const unusedHolds = new Map<number, { seq: number; atMs: number; resolvedAtMs: number | null }>();
  /** Running tasks by number; true if another task waits for the end of this one. */
  const runningTasks = new Map<number, boolean>();
  let lastTaskSeq = 0;

  function takeSeq(seq: number, index: number): void {
    // Gaps are rejected: a huge number would leave none for later tasks.
    if (seq !== lastTaskSeq + 1) throw createTaskError(`expected ${lastTaskSeq + 1}`, index, 'seq');
    lastTaskSeq = seq;
  }

  /** @throws InvalidRow when the times of a running task contradict its plan or its predecessor */
  function assertContinues(task: TaskRecord, plan: Plan, index: number): void {
    const { predecessorSeq, startedAtMs, dueAtMs, driver, step } = task;
    const isWaiting = startedAtMs === null;
    const hasSuccessor = predecessorSeq === null ? undefined : runningTasks.get(predecessorSeq);
    if (isWaiting !== (hasSuccessor !== undefined)) {
      const message = isWaiting
        ? 'expected a time, unless a running task precedes this one'
        : 'not allowed before the predecessor has ended';
      throw createTaskError(message, index, 'startedAtMs');
    }
    // The end of a task starts only one other task.
    if (hasSuccessor) throw createTaskError('expected a task without another successor', index, 'predecessorSeq');
    if (isWaiting) runningTasks.set(predecessorSeq!, true);
    const isDue = !isWaiting && driver === 'worker' && nextTransitionMs(plan, step) !== null;
    if (isDue === (dueAtMs !== null)) return;
    const message = isDue
      ? 'expected the time of the next transition'
      : 'not allowed for a task that waits, hangs or is synchronous';
    throw createTaskError(message, index, 'dueAtMs');
  }

  return {
    /** Checks the next entry; `index` is for errors. @throws InvalidRow */
    checkEntry({ seq, kind, taskSeq, atMs }: EntryRecord, index: number): void {
      const hold = taskSeq === null ? undefined : unusedHolds.get(taskSeq);
      if (kind !== 'hold') {
        if (hold) hold.resolvedAtMs = atMs;
      } else if (hold) {
        throw new InvalidRow('expected one hold per task', 'ledger_entries', index, 'taskSeq');
      } else if (taskSeq !== null) unusedHolds.set(taskSeq, { seq, atMs, resolvedAtMs: null });
    },
    /** Checks the next task, after all entries. @throws InvalidRow */
    checkTask(task: TaskRecord, plan: Plan, index: number): void {
      const { seq, holdSeq, predecessorSeq } = task;
      takeSeq(seq, index);
      const hold = unusedHolds.get(seq);
      if (holdSeq !== (hold?.seq ?? null)) {
        const message = hold ? `expected ${hold.seq}, the number of its hold` : 'the ledger has no hold of this task';
        throw createTaskError(message, index, 'holdSeq');
      }
      if (hold && hold.atMs !== task.createdAtMs) {
        throw createTaskError(`expected the time of ledger[${hold.seq - 1}]`, index, 'createdAtMs');
      }
      if (hold && hold.resolvedAtMs !== null && hold.resolvedAtMs !== task.finishedAtMs) {
        throw createTaskError('expected the time of its capture or refund', index, 'finishedAtMs');
      }
      if (holdSeq === null && task.price > 0) {
        throw createTaskError('expected 0, or a hold of the price', index, 'price');
      }
      if (predecessorSeq !== null && predecessorSeq >= seq) {
        throw createTaskError('expected the number of an earlier task', index, 'predecessorSeq');
      }
      if (task.status === 'processing') {
        assertContinues(task, plan, index);
        runningTasks.set(seq, false);
      }
      unusedHolds.delete(seq);
    },
    /** Checks the next task, which was evicted. @throws InvalidRow */
    checkEvicted({ seq }: EvictedRecord, index: number): void {
      takeSeq(seq, index);
      if (unusedHolds.get(seq)?.resolvedAtMs === null) {
        throw createTaskError('expected a capture or refund of its hold, because the task has ended', index);
      }
      unusedHolds.delete(seq);
    },
    /** Memory held at present. */
    get heldBytes(): number {
      return HOLD_BYTES * unusedHolds.size + RUNNING_BYTES * runningTasks.size;
    },
    /** Returns the number of a hold without a task, if there is one, after all tasks. */
    findUnusedHold: (): number | undefined => unusedHolds.values().next().value?.seq,
    clear(): void {
      unusedHolds.clear();
      runningTasks.clear();
    },
  };
}

const createTaskError = (message: string, index: number, field?: string) =>
  new InvalidRow(message, 'tasks', index, field);
