import type { Clock } from '../time/clock.ts';
import type { Db } from './database.ts';

/** Told once what was written is committed, or with what kept it from being so. */
type CommitCallback = (error: unknown) => void;

const runNow = (callback: () => void) => callback();

export type Transactions = ReturnType<typeof createTransactions>;

/**
 * All transactions of a database. Most are committed at once. Those of submitted work, which come by the thousand, share
 * one commit for all that came in one turn of the event loop: a commit of its own costs more than the rest of a request. So
 * that no client is told what a kill could undo, nothing is answered before `whenCommitted` says so.
 */
export function createTransactions(db: Db, clock: Clock) {
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const rollback = db.prepare('ROLLBACK');
  const savepoint = db.transaction((work: () => unknown) => work());
  const rollbackListeners: (() => void)[] = [];
  let isBatchOpen = false;
  /** Whether the code that runs now is part of a transaction. */
  let isInTransaction = false;
  let batchWaiters: CommitCallback[] = [];
  /** Those who have asked inside the transaction that runs. */
  let transactionWaiters: CommitCallback[] = [];

  /** What is known of rows besides the rows themselves may be wrong now. */
  function notifyRollback(): void {
    for (const listener of rollbackListeners) listener();
  }

  function runInSavepoint<T>(work: () => T): T {
    isInTransaction = true;
    let failure: unknown = null;
    try {
      return savepoint.immediate(work) as T;
    } catch (error) {
      failure = error;
      notifyRollback();
      throw error;
    } finally {
      isInTransaction = false;
      if (transactionWaiters.length > 0) notifyTransactionWaiters(failure);
    }
  }

  function notifyTransactionWaiters(failure: unknown): void {
    const waiters = transactionWaiters;
    transactionWaiters = [];
    for (const callback of waiters) {
      if (failure === null) afterCommit(callback);
      else queueMicrotask(() => callback(failure));
    }
  }

  function afterCommit(callback: CommitCallback): void {
    if (isInTransaction) transactionWaiters.push(callback);
    else if (isBatchOpen) batchWaiters.push(callback);
    else queueMicrotask(() => callback(null));
  }

  /** Commits what is shared so far; those who wait are told by `tell`. */
  function commitBatch(schedule: (callback: () => void) => void = runNow): void {
    if (!isBatchOpen) return;
    isBatchOpen = false;
    const waiters = batchWaiters;
    batchWaiters = [];
    let failure: unknown = null;
    try {
      // Fails, too, where SQLite has ended the transaction by itself, as on a full disk: all that was part of it is undone.
      commit.run();
    } catch (error) {
      failure = error;
      if (db.inTransaction) rollback.run();
      notifyRollback();
    }
    for (const callback of waiters) schedule(() => callback(failure));
  }

  function openBatch(): void {
    if (isBatchOpen && db.inTransaction) return;
    // Later, because who submits is in the middle of something of its own.
    commitBatch(queueMicrotask);
    begin.run();
    isBatchOpen = true;
    clock.atTurnEnd(() => commitBatch());
  }

  return {
    /**
     * Makes a transaction of `work`: all of it or nothing, committed when it returns. Inside another it is a part of that.
     * It throws what `work` throws, and the database's refusals.
     */
    exclusive<Args extends unknown[], T>(work: (...args: Args) => T): (...args: Args) => T {
      return (...args) => {
        if (isInTransaction) return work(...args);
        commitBatch(queueMicrotask);
        return runInSavepoint(() => work(...args));
      };
    },

    /** The same, but committed together with all others of this turn of the event loop. */
    batched<Args extends unknown[], T>(work: (...args: Args) => T): (...args: Args) => T {
      return (...args) => {
        if (isInTransaction) return work(...args);
        openBatch();
        return runInSavepoint(() => work(...args));
      };
    },

    /** Whether something is written that a kill could still undo. */
    hasPendingBatch: (): boolean => isBatchOpen,
    /**
     * Calls `settled`, never at once: with null when all that has been written so far is committed, else with what went wrong, be it in
     * the transaction that runs alone.
     */
    afterCommit,
    /** Calls `listener` whenever something that was written is undone. */
    onRollback: (listener: () => void) => void rollbackListeners.push(listener),
    /** Commits what is shared, without waiting for the end of the turn: before the database is closed, too. */
    flush: (): void => commitBatch(),
  };
}
