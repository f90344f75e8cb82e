import { LRUCache } from 'lru-cache';
import type { Db } from '../storage/database.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { Plan } from './plan.ts';
import type { Task, TaskStatus } from './task.ts';
import { type DueRow, type TaskRow, taskStatements } from './task-queries.ts';

/** Tasks, and accounts' next due times, that are kept in memory; what is not is asked for again. */
const MOST_KEPT = 2000;

/** Names a task for those who write to its row. */
export type TaskName = Pick<Task, 'accountId' | 'seq' | 'id'>;

export type TaskRows = ReturnType<typeof createTaskRows>;

/**
 * The rows of tasks. Those that were made or polled lately are kept in memory, because polls ask for the same few again and
 * again; whatever writes to a row goes through here.
 */
export function createTaskRows(db: Db, transactions: Transactions) {
  const sql = taskStatements(db);
  const kept = new LRUCache<string, Task>({ max: MOST_KEPT });
  const earliest = new LRUCache<number, { dueAtMs: number | null }>({ max: MOST_KEPT });
  transactions.onUndone(() => {
    kept.clear();
    earliest.clear();
  });

  const read = (row: TaskRow): Task => ({ ...row, plan: JSON.parse(row.plan) });
  const nameOf = (accountId: number, id: string) => `${accountId} ${id}`;

  function keep(task: Task): Task {
    kept.set(nameOf(task.accountId, task.id), task);
    return task;
  }

  function changed({ accountId, id }: TaskName): void {
    kept.delete(nameOf(accountId, id));
    earliest.delete(accountId);
  }

  /** When something of the account is due next; null: nothing is. */
  function earliestDueMs(accountId: number): number | null {
    const known = earliest.get(accountId);
    if (known) return known.dueAtMs;
    const dueAtMs = sql.earliestDue.get(accountId) ?? null;
    earliest.set(accountId, { dueAtMs });
    return dueAtMs;
  }

  return {
    find(accountId: number, id: string): Task | undefined {
      const known = kept.get(nameOf(accountId, id));
      if (known) return known;
      const row = sql.byId.get(id, accountId);
      return row && keep(read(row));
    },
    earliestDueMs,
    /** What was due first by `nowMs`. */
    nextDue(accountId: number, nowMs: number): DueRow | undefined {
      const dueAtMs = earliestDueMs(accountId);
      return dueAtMs === null || dueAtMs > nowMs ? undefined : sql.nextDue.get(accountId, nowMs);
    },
    bySeq(accountId: number, seq: number): Task | undefined {
      const row = sql.bySeq.get(accountId, seq);
      return row && read(row);
    },
    everywhere: (id: string, family: string): Task[] => sql.everywhere.all(id, family).map(read),
    everywhereByRef: (ref: string, family: string): Task[] => sql.everywhereByRef.all(ref, family).map(read),
    existsAnywhere: (id: string, family: string): boolean => sql.everywhere.get(id, family) !== undefined,
    list: (accountId: number, limit: number, after: number, status: TaskStatus | null): Task[] =>
      sql.page.all({ accountId, limit, after, status }).map(read),
    inputOf(accountId: number, id: string): unknown {
      const input = sql.inputById.get(id, accountId);
      return input === undefined ? undefined : JSON.parse(input);
    },
    counts: () => sql.counts.all(),
    /** Those that are answered in their request: of one account, or of all of them. */
    streaming: (accountId: number | null) => sql.streaming.all(accountId),
    /** The one that waits for the task of this place. */
    follower: (accountId: number, seq: number) => sql.follower.get(accountId, seq),

    insert(task: Task, driver: 'worker' | 'stream', input: unknown): void {
      sql.insert.run({ ...task, driver, input: JSON.stringify(input), plan: JSON.stringify(task.plan) });
      keep(task);
      const known = earliest.get(task.accountId);
      if (known && task.dueAtMs !== null && task.dueAtMs < (known.dueAtMs ?? Number.POSITIVE_INFINITY)) {
        earliest.set(task.accountId, { dueAtMs: task.dueAtMs });
      }
    },
    start(task: TaskName, atMs: number, dueAtMs: number | null): void {
      sql.start.run({ accountId: task.accountId, seq: task.seq, atMs, dueAtMs });
      changed(task);
    },
    setFollows(task: TaskName, follows: number | null): void {
      sql.setFollows.run({ accountId: task.accountId, seq: task.seq, follows });
      changed(task);
    },
    toStep(task: TaskName, step: number, dueAtMs: number | null): void {
      sql.toStep.run({ accountId: task.accountId, seq: task.seq, step, dueAtMs });
      changed(task);
    },
    setEnd(
      task: TaskName,
      end: { status: TaskStatus; atMs: number; simulatedMs: number; errorCode: string | null },
    ): void {
      sql.setEnd.run({ accountId: task.accountId, seq: task.seq, ...end });
      changed(task);
    },
    /** Stretches or shortens the waits that are left by `factor`. */
    rescale(accountId: number, nowMs: number, factor: number, latestMs: number): void {
      sql.rescale.run({ accountId, nowMs, factor, latestMs });
      kept.clear();
      earliest.delete(accountId);
    },
    planOf: (row: Pick<TaskRow, 'plan'>): Plan => JSON.parse(row.plan),
    /** Rows have come or changed in ways of their own. */
    forget(accountId: number): void {
      kept.clear();
      earliest.delete(accountId);
    },
  };
}
