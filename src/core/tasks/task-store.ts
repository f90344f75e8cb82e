import type { CoreContext } from '../context.ts';
import { createRecentCache } from '../storage/recent-cache.ts';
import { LATEST_MS } from '../time/clock.ts';
import type { Task, TaskStatus } from './task.ts';
import { prepareTaskQueries, type TaskRow } from './task-queries.ts';

/** Number of tasks kept in memory. */
const CACHE_SIZE = 2000;

/** Limits of one eviction. */
const MAX_EVICTED_TASKS = 64;
const MAX_EVICTED_BYTES = 1024 * 1024;
/** Evictions between two that start with the oldest task of all, which may have been running before. */
const EVICTIONS_PER_SCAN = 16;

/**
 * Reads and writes task rows, with a cache of recently created and polled tasks because polls repeat. All writes to the
 * table go through here, except those of copies and imports, whose accounts are new.
 */
export function createTaskStore({ db, transactions }: CoreContext) {
  const queries = prepareTaskQueries(db);
  const cache = createRecentCache<string, Task>(CACHE_SIZE);
  transactions.onRollback(() => cache.clear());

  /** Tasks up to this row were finished and evicted, or still running at the last eviction. */
  let evictedUpToRowid = 0;
  let evictions = 0;

  const toTask = (row: TaskRow): Task => ({ ...row, plan: JSON.parse(row.plan) });
  const toTaskIfAny = (row: TaskRow | undefined): Task | undefined => row && toTask(row);
  const toCacheKey = (accountId: number, id: string) => `${accountId} ${id}`;

  function store(task: Task): Task {
    cache.set(toCacheKey(task.accountId, task.id), task);
    return task;
  }

  /** Repeats a change of a row in the cache. */
  function replace(task: Task): Task {
    return cache.has(toCacheKey(task.accountId, task.id)) ? store(task) : task;
  }

  /** Functions that the task engine passes on to its users. */
  const published = {
    find(accountId: number, id: string): Task | undefined {
      const cached = cache.get(toCacheKey(accountId, id));
      if (cached) return cached;
      const row = queries.byId.get(id, accountId);
      return row && store(toTask(row));
    },
    /** Returns up to `limit` tasks, oldest first, starting after the task with `seq` `after`. */
    list: (accountId: number, limit: number, after = 0, status: TaskStatus | null = null): Task[] =>
      queries.page.all({ accountId, limit, after, status }).map(toTask),
    /**
     * Finds tasks of a family in all accounts. By id: an account and its forks can share one; oldest account first. By
     * `clientRef`: only completed synchronous tasks, at most ten, newest first.
     */
    findAcrossAccounts: (family: string, by: 'id' | 'clientRef', value: string): Task[] =>
      (by === 'id' ? queries.acrossAccounts : queries.byClientRef).all(value, family).map(toTask),
    /** Whether any account has this task: some families distinguish a foreign task from one that does not exist. */
    existsAnywhere: (id: string, family: string): boolean => queries.acrossAccounts.get(id, family) !== undefined,
    /** Returns the stored request body of a task; undefined when the account has no such task. */
    getInput(accountId: number, id: string): unknown {
      const input = queries.inputById.get(id, accountId);
      return input === undefined ? undefined : JSON.parse(input);
    },
    /** Returns the number of tasks per family and status, over all accounts. */
    counts: () => queries.counts.all(),
    /** Returns the numbers of running and failed tasks of each account, snapshots included. */
    countsByAccount: () => queries.countsByAccount.all(),
    /** Returns the number of an account's tasks per status and error code. */
    outcomes: (accountId: number) => queries.outcomes.all(accountId),
    /** Returns when the account's next transition is due; null when none is. */
    earliestDueMs: (accountId: number): number | null => queries.earliestDue.get(accountId) ?? null,
    /** Multiplies the remaining waits by `factor`, after a change of the account's time scale. */
    rescaleDue(accountId: number, nowMs: number, factor: number): void {
      queries.rescale.run({ accountId, nowMs, factor, latestMs: LATEST_MS });
      cache.clear();
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
    /** Clears the cache after rows were deleted together with their account. */
    invalidate: (): void => cache.clear(),
  };

  return {
    published,
    /** Lists up to `MAX_TRANSITIONS` tasks with a transition due by `nowMs`, ordered by due time and number. */
    listDue: (accountId: number, nowMs: number): Task[] => queries.due.all(accountId, nowMs).map(toTask),
    bySeq: (accountId: number, seq: number): Task | undefined => toTaskIfAny(queries.bySeq.get(accountId, seq)),
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
      const { accountId, seq, id, family, price, clientRef, predecessorSeq, createdAtMs, startedAtMs, dueAtMs } = task;
      const planJson = JSON.stringify(task.plan);
      queries.insert.run(
        ...[accountId, seq, id, family, driver, price, holdSeq, clientRef, inputJson, planJson, predecessorSeq],
        ...[createdAtMs, startedAtMs, dueAtMs],
      );
      store(task);
    },
    /** Changes the step, predecessor, start or due time of a running task. Returns the changed task. */
    update(task: Task, changes: Partial<Pick<Task, 'step' | 'predecessorSeq' | 'startedAtMs' | 'dueAtMs'>>): Task {
      const changed = { ...task, ...changes };
      queries.update.run(changed);
      return replace(changed);
    },
    /** Ends a task. A trigger writes its capture or refund. */
    finish(task: Task, end: Pick<Task, 'status' | 'finishedAtMs' | 'simulatedMs' | 'errorCode'>): void {
      const finished = { ...task, ...end, dueAtMs: null };
      queries.finish.run(finished);
      replace(finished);
    },
  };
}
