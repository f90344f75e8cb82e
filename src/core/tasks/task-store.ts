import type { Db } from '../storage/database.ts';
import { createRecentCache } from '../storage/recent-cache.ts';
import type { Transactions } from '../storage/transactions.ts';
import { DueQueue, type DueTask, READ_AHEAD } from './due-queue.ts';
import type { Task, TaskStatus } from './task.ts';
import { prepareTaskQueries, type TaskRow } from './task-queries.ts';

/** Number of tasks, and of accounts' due tasks, kept in memory. */
const CACHE_SIZE = 2000;

/** Limits of one eviction. */
const MAX_EVICTED_TASKS = 64;
const MAX_EVICTED_BYTES = 1024 * 1024;
/** Evictions between two that start with the oldest task of all, which may have been running before. */
const EVICTIONS_PER_SCAN = 16;

/**
 * Reads and writes task rows, with a cache of recently created and polled tasks because polls repeat. All writes to the
 * table go through here; a snapshot's copy calls `invalidate`.
 */
export function createTaskStore(db: Db, transactions: Transactions) {
  const queries = prepareTaskQueries(db);
  const cache = createRecentCache<string, Task>(CACHE_SIZE);
  const dueQueues = createRecentCache<number, DueQueue>(CACHE_SIZE);
  transactions.onRollback(() => {
    cache.clear();
    dueQueues.clear();
  });

  /** Tasks up to this row were finished and evicted, or still running at the last eviction. */
  let evictedUpToRowid = 0;
  let evictions = 0;

  const isDue = (task: Task): task is DueTask => task.dueAtMs !== null;
  const toTask = (row: TaskRow): Task => ({ ...row, plan: JSON.parse(row.plan) });
  const toTaskIfAny = (row: TaskRow | undefined): Task | undefined => row && toTask(row);
  const toCacheKey = (accountId: number, id: string) => `${accountId} ${id}`;

  function store(task: Task): Task {
    cache.set(toCacheKey(task.accountId, task.id), task);
    return task;
  }

  /** Repeats a change of a row in the cache and in the account's queue. */
  function replace(task: Task): void {
    if (cache.has(toCacheKey(task.accountId, task.id))) store(task);
    const queue = dueQueues.get(task.accountId);
    queue?.remove(task.seq);
    if (isDue(task)) queue?.add(task);
  }

  /** Returns the account's task with the earliest transition. */
  function nextDue(accountId: number): DueTask | undefined {
    let queue = dueQueues.get(accountId);
    if (!queue || queue.isExhausted) {
      queue = new DueQueue(queries.due.all(accountId, READ_AHEAD).map(toTask).filter(isDue));
      dueQueues.set(accountId, queue);
    }
    return queue.next;
  }

  return {
    find(accountId: number, id: string): Task | undefined {
      const cached = cache.get(toCacheKey(accountId, id));
      if (cached) return cached;
      const row = queries.byId.get(id, accountId);
      return row && store(toTask(row));
    },
    nextDue,
    bySeq: (accountId: number, seq: number): Task | undefined => toTaskIfAny(queries.bySeq.get(accountId, seq)),
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
    outcomes: (accountId: number) => queries.outcomes.all(accountId),
    /** Lists running synchronous tasks of one account, or of all accounts with null. */
    listSynchronous: (accountId: number | null) => queries.synchronous.all({ accountId }),
    /** Finds the task that waits for the task `seq`. */
    findSuccessor: (accountId: number, seq: number): Task | undefined =>
      toTaskIfAny(queries.successor.get(accountId, seq)),

    /**
     * Stores a new task. A trigger writes its hold, as the ledger entry `holdSeq`; null: the task is free. `inputJson` is
     * the request body.
     */
    insert(task: Task, driver: 'worker' | 'stream', holdSeq: number | null, inputJson: string): void {
      queries.insert.run({ ...task, driver, holdSeq, input: inputJson, plan: JSON.stringify(task.plan) });
      store(task);
      if (isDue(task)) dueQueues.get(task.accountId)?.add(task);
    },
    /** Changes the step, predecessor, start or due time of a running task. */
    update(task: Task, changes: Partial<Pick<Task, 'step' | 'predecessorSeq' | 'startedAtMs' | 'dueAtMs'>>): void {
      const changed = { ...task, ...changes };
      queries.update.run(changed);
      replace(changed);
    },
    /** Ends a task. A trigger writes its capture or refund. */
    finish(task: Task, end: Pick<Task, 'status' | 'finishedAtMs' | 'simulatedMs' | 'errorCode'>): void {
      const finished = { ...task, ...end, dueAtMs: null };
      queries.finish.run(finished);
      replace(finished);
    },
    /** Multiplies the remaining waits by `factor`. */
    rescale(accountId: number, nowMs: number, factor: number, latestMs: number): void {
      queries.rescale.run({ accountId, nowMs, factor, latestMs });
      cache.clear();
      dueQueues.delete(accountId);
    },
    /**
     * Deletes some of the oldest finished tasks of accounts and snapshots, but not of imports. Returns false when there
     * are none.
     */
    evictOldest: transactions.exclusive((): boolean => {
      evictions += 1;
      if (evictions % EVICTIONS_PER_SCAN === 0) evictedUpToRowid = 0;
      let rows = queries.oldestFinished.all(evictedUpToRowid, MAX_EVICTED_TASKS);
      if (rows.length === 0 && evictedUpToRowid > 0) rows = queries.oldestFinished.all(0, MAX_EVICTED_TASKS);
      let evictedBytes = 0;
      for (const { rowid, bytes, accountId, id } of rows) {
        queries.remove.run(rowid);
        cache.delete(toCacheKey(accountId, id));
        evictedUpToRowid = rowid;
        evictedBytes += bytes;
        if (evictedBytes >= MAX_EVICTED_BYTES) break;
      }
      return rows.length > 0;
    }),
    /** Clears the cache after rows of the account were written elsewhere. */
    invalidate(accountId: number): void {
      cache.clear();
      dueQueues.delete(accountId);
    },
  };
}
