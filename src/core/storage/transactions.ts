import { queueMicrotask } from '../globals.ts';
import type { Clock } from '../time/clock.ts';
import type { Db } from './database.ts';

/** Receives null after the commit, or the error that rolled the writes back. */
type CommitCallback = (error: unknown) => void;

/** The callbacks of a transaction or batch: those that wait for its commit, and those that revert changes in memory. */
interface Pending {
  waiters: CommitCallback[];
  undos: (() => void)[];
}

const runNow = (callback: () => void) => callback();

export type Transactions = ReturnType<typeof createTransactions>;

/**
 * Runs the transactions of a database. Most commit at once. Submissions, which arrive by the thousand, use group
 * commit: all transactions of one event-loop turn share a commit, because a commit of its own would cost more than the
 * rest of the request. A response must wait for `afterCommit`, so that a killed process never loses what a client has
 * seen.
 */
export function createTransactions(db: Db, clock: Clock) {
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const rollback = db.prepare('ROLLBACK');
  const savepoint = db.transaction((work: () => unknown) => work());
  const rollbackListeners: (() => void)[] = [];
  /** The open batch. */
  let batch: Pending | undefined;
  /** The transaction that the current call stack is inside of. */
  let current: Pending | undefined;

  /** Reverts changes in memory, the last one first, and notifies the row caches, which then clear themselves. */
  function notifyRollback(undos: readonly (() => void)[]): void {
    for (const undo of undos.toReversed()) undo();
    for (const listener of rollbackListeners) listener();
  }

  function runInSavepoint<T>(work: () => T): T {
    const { waiters, undos }: Pending = { waiters: [], undos: [] };
    current = { waiters, undos };
    try {
      const result = savepoint.immediate(work) as T;
      current = undefined;
      batch?.undos.push(...undos);
      for (const callback of waiters) afterCommit(callback);
      return result;
    } catch (error) {
      notifyRollback(undos);
      current = undefined;
      for (const callback of waiters) queueMicrotask(() => callback(error));
      throw error;
    }
  }

  function afterCommit(callback: CommitCallback): void {
    const pending = current ?? batch;
    if (pending) pending.waiters.push(callback);
    else queueMicrotask(() => callback(null));
  }

  /** Commits the open batch and calls its waiters through `schedule`. */
  function commitBatch(schedule: (callback: () => void) => void = runNow): void {
    if (!batch) return;
    const { waiters, undos } = batch;
    batch = undefined;
    let failure: unknown = null;
    try {
      // Also fails when SQLite has rolled the transaction back on its own, as it does when the disk is full.
      commit.run();
    } catch (error) {
      failure = error;
      if (db.inTransaction) rollback.run();
      notifyRollback(undos);
    }
    for (const callback of waiters) schedule(() => callback(failure));
  }

  function openBatch(): void {
    if (batch && db.inTransaction) return;
    // Deferred, because waiters must not run inside the caller of this function.
    commitBatch(queueMicrotask);
    begin.run();
    batch = { waiters: [], undos: [] };
    clock.atTurnEnd(() => commitBatch());
  }

  return {
    /**
     * Wraps `work` in a transaction that commits when `work` returns and rolls back when it throws. Inside of another
     * transaction, `work` becomes part of that one. The wrapper throws the errors of `work` and of SQLite.
     */
    exclusive<Args extends unknown[], T>(work: (...args: Args) => T): (...args: Args) => T {
      return (...args) => {
        if (current) return work(...args);
        commitBatch(queueMicrotask);
        return runInSavepoint(() => work(...args));
      };
    },

    /** Like `exclusive`, but shares its commit with all batched transactions of the current event-loop turn. */
    batched<Args extends unknown[], T>(work: (...args: Args) => T): (...args: Args) => T {
      return (...args) => {
        if (current) return work(...args);
        openBatch();
        return runInSavepoint(() => work(...args));
      };
    },

    /** Whether there are writes that a killed process would lose. */
    hasPendingBatch: (): boolean => batch !== undefined,
    /**
     * Calls `callback` asynchronously when everything written so far is committed (with null) or rolled back (with the
     * error), including the running transaction.
     */
    afterCommit,
    /** Resolves when everything written so far is committed; rejects with the error that rolled it back. */
    committed: (): Promise<void> =>
      new Promise((resolve, reject) => afterCommit((failure) => (failure === null ? resolve() : reject(failure)))),
    /** Whether the caller runs inside a transaction. */
    isInTransaction: (): boolean => current !== undefined,
    /**
     * Calls `undo` if the writes made so far are rolled back: for state in memory that is changed together with them.
     * Does nothing when these writes are committed already.
     */
    undoOnRollback: (undo: () => void): void => void (current ?? batch)?.undos.push(undo),
    /** Calls `listener` after every rollback. */
    onRollback: (listener: () => void) => void rollbackListeners.push(listener),
    /** Commits the open batch without waiting for the end of the turn. */
    flush: (): void => commitBatch(),
  };
}
