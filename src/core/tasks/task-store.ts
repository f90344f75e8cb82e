import { LRUCache } from 'lru-cache';
import type { Db } from '../storage/database.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { Plan } from './plan.ts';
import type { Task, TaskStatus } from './task.ts';
import { type DueRow, prepareTaskQueries, type TaskRow } from './task-queries.ts';

/** Number of tasks, and of accounts' next due times, kept in memory. */
const CACHE_SIZE = 2000;

/** Limits of one eviction. */
const MAX_EVICTED_TASKS = 64;
const MAX_EVICTED_BYTES = 1024 * 1024;
/** Evictions between two that start with the oldest task of all, which may have been running before. */
const EVICTIONS_PER_SCAN = 16;

/** Identifies a task for a write. */
export type TaskKey = Pick<Task, 'accountId' | 'seq' | 'id'>;

/**
 * Reads and writes task rows, with a cache of recently created and polled tasks because polls repeat. All writes to the
 * table go through here; a snapshot's copy calls `invalidate`.
 */
export function createTaskStore(db: Db, transactions: Transactions) {
  const queries = prepareTaskQueries(db);
  const cache = new LRUCache<string, Task>({ max: CACHE_SIZE });
  const earliestDueCache = new LRUCache<number, { dueAtMs: number | null }>({ max: CACHE_SIZE });
  transactions.onRollback(() => {
    cache.clear();
    earliestDueCache.clear();
  });

  /** Tasks up to this row were finished and evicted, or still running at the last eviction. */
  let evictedUpToRowid = 0;
  let evictions = 0;

  const toTask = (row: TaskRow): Task => ({ ...row, plan: JSON.parse(row.plan) });
  const toCacheKey = (accountId: number, id: string) => `${accountId} ${id}`;

  function store(task: Task): Task {
    cache.set(toCacheKey(task.accountId, task.id), task);
    return task;
  }

  function invalidateTask({ accountId, id }: TaskKey): void {
    cache.delete(toCacheKey(accountId, id));
    earliestDueCache.delete(accountId);
  }

  /** Returns when the account's next transition is due; null when none is. */
  function earliestDueMs(accountId: number): number | null {
    const cached = earliestDueCache.get(accountId);
    if (cached) return cached.dueAtMs;
    const dueAtMs = queries.earliestDue.get(accountId) ?? null;
    earliestDueCache.set(accountId, { dueAtMs });
    return dueAtMs;
  }

  return {
    find(accountId: number, id: string): Task | undefined {
      const cached = cache.get(toCacheKey(accountId, id));
      if (cached) return cached;
      const row = queries.byId.get(id, accountId);
      return row && store(toTask(row));
    },
    earliestDueMs,
    /** Returns the task with the earliest transition due by `nowMs`. */
    nextDue(accountId: number, nowMs: number): DueRow | undefined {
      const dueAtMs = earliestDueMs(accountId);
      return dueAtMs === null || dueAtMs > nowMs ? undefined : queries.nextDue.get(accountId, nowMs);
    },
    bySeq(accountId: number, seq: number): Task | undefined {
      const row = queries.bySeq.get(accountId, seq);
      return row && toTask(row);
    },
    findAcrossAccounts: (id: string, family: string): Task[] => queries.acrossAccounts.all(id, family).map(toTask),
    findByClientRef: (ref: string, family: string): Task[] => queries.byClientRef.all(ref, family).map(toTask),
    existsAnywhere: (id: string, family: string): boolean => queries.acrossAccounts.get(id, family) !== undefined,
    list: (accountId: number, limit: number, after: number, status: TaskStatus | null): Task[] =>
      queries.page.all({ accountId, limit, after, status }).map(toTask),
    getInput(accountId: number, id: string): unknown {
      const input = queries.inputById.get(id, accountId);
      return input === undefined ? undefined : JSON.parse(input);
    },
    counts: () => queries.counts.all(),
    /** Lists running synchronous tasks of one account, or of all accounts with null. */
    listSynchronous: (accountId: number | null) => queries.synchronous.all(accountId),
    /** Finds the task that waits for the task `seq`. */
    findSuccessor: (accountId: number, seq: number) => queries.successor.get(accountId, seq),

    /** Stores a new task; `inputJson` is the request body. */
    insert(task: Task, driver: 'worker' | 'stream', inputJson: string): void {
      queries.insert.run({ ...task, driver, input: inputJson, plan: JSON.stringify(task.plan) });
      store(task);
      const cached = earliestDueCache.get(task.accountId);
      if (cached && task.dueAtMs !== null && task.dueAtMs < (cached.dueAtMs ?? Number.POSITIVE_INFINITY)) {
        earliestDueCache.set(task.accountId, { dueAtMs: task.dueAtMs });
      }
    },
    start(task: TaskKey, atMs: number, dueAtMs: number | null): void {
      queries.start.run({ accountId: task.accountId, seq: task.seq, atMs, dueAtMs });
      invalidateTask(task);
    },
    setPredecessor(task: TaskKey, predecessorSeq: number | null): void {
      queries.setPredecessor.run({ accountId: task.accountId, seq: task.seq, predecessorSeq });
      invalidateTask(task);
    },
    advanceStep(task: TaskKey, step: number, dueAtMs: number | null): void {
      queries.advanceStep.run({ accountId: task.accountId, seq: task.seq, step, dueAtMs });
      invalidateTask(task);
    },
    finish(
      task: TaskKey,
      outcome: { status: TaskStatus; atMs: number; simulatedMs: number; errorCode: string | null },
    ): void {
      queries.finish.run({ accountId: task.accountId, seq: task.seq, ...outcome });
      invalidateTask(task);
    },
    /** Multiplies the remaining waits by `factor`. */
    rescale(accountId: number, nowMs: number, factor: number, latestMs: number): void {
      queries.rescale.run({ accountId, nowMs, factor, latestMs });
      cache.clear();
      earliestDueCache.delete(accountId);
    },
    /** Deletes some of the oldest finished tasks of all accounts and snapshots. Returns false when there are none. */
    evictOldest: transactions.exclusive((): boolean => {
      evictions += 1;
      if (evictions % EVICTIONS_PER_SCAN === 0) evictedUpToRowid = 0;
      let rows = queries.oldestFinished.all(evictedUpToRowid, MAX_EVICTED_TASKS);
      if (rows.length === 0 && evictedUpToRowid > 0) rows = queries.oldestFinished.all(0, MAX_EVICTED_TASKS);
      let evictedBytes = 0;
      for (const { rowid, bytes, accountId, id } of rows) {
        queries.remove.run(rowid);
        queries.countEvicted.run(accountId);
        cache.delete(toCacheKey(accountId, id));
        evictedUpToRowid = rowid;
        evictedBytes += bytes;
        if (evictedBytes >= MAX_EVICTED_BYTES) break;
      }
      return rows.length > 0;
    }),
    parsePlan: (row: Pick<TaskRow, 'plan'>): Plan => JSON.parse(row.plan),
    /** Clears the cache after rows of the account were written elsewhere. */
    invalidate(accountId: number): void {
      cache.clear();
      earliestDueCache.delete(accountId);
    },
  };
}
