import type { Clock } from '../time/clock.ts';
import type { Db } from './database.ts';

/** Told once what was written is committed, or with what kept it from being so. */
type Settled = (error: unknown) => void;

const atOnce = (work: () => void) => work();

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
  const inSavepoint = db.transaction((work: () => unknown) => work());
  const undone: (() => void)[] = [];
  let isShared = false;
  /** Whether the code that runs now is part of a transaction. */
  let isWithin = false;
  let waiting: Settled[] = [];
  /** Those who have asked inside the transaction that runs. */
  let within: Settled[] = [];

  /** What is known of rows besides the rows themselves may be wrong now. */
  function forget(): void {
    for (const listener of undone) listener();
  }

  function attempt<T>(work: () => T): T {
    isWithin = true;
    let failure: unknown = null;
    try {
      return inSavepoint.immediate(work) as T;
    } catch (error) {
      failure = error;
      forget();
      throw error;
    } finally {
      isWithin = false;
      if (within.length > 0) answerThoseWithin(failure);
    }
  }

  function answerThoseWithin(failure: unknown): void {
    const those = within;
    within = [];
    for (const settled of those) {
      if (failure === null) whenCommitted(settled);
      else queueMicrotask(() => settled(failure));
    }
  }

  function whenCommitted(settled: Settled): void {
    if (isWithin) within.push(settled);
    else if (isShared) waiting.push(settled);
    else queueMicrotask(() => settled(null));
  }

  /** Commits what is shared so far; those who wait are told by `tell`. */
  function commitShared(tell: (settled: () => void) => void = atOnce): void {
    if (!isShared) return;
    isShared = false;
    const those = waiting;
    waiting = [];
    let failure: unknown = null;
    try {
      // Fails, too, where SQLite has ended the transaction by itself, as on a full disk: all that was part of it is undone.
      commit.run();
    } catch (error) {
      failure = error;
      if (db.inTransaction) rollback.run();
      forget();
    }
    for (const settled of those) tell(() => settled(failure));
  }

  function openShared(): void {
    if (isShared && db.inTransaction) return;
    // Later, because who submits is in the middle of something of its own.
    commitShared(queueMicrotask);
    begin.run();
    isShared = true;
    clock.afterTurn(() => commitShared());
  }

  return {
    /**
     * Makes a transaction of `work`: all of it or nothing, committed when it returns. Inside another it is a part of that.
     * It throws what `work` throws, and the database's refusals.
     */
    own<Given extends unknown[], T>(work: (...given: Given) => T): (...given: Given) => T {
      return (...given) => {
        if (isWithin) return work(...given);
        commitShared(queueMicrotask);
        return attempt(() => work(...given));
      };
    },

    /** The same, but committed together with all others of this turn of the event loop. */
    shared<Given extends unknown[], T>(work: (...given: Given) => T): (...given: Given) => T {
      return (...given) => {
        if (isWithin) return work(...given);
        openShared();
        return attempt(() => work(...given));
      };
    },

    /** Whether something is written that a kill could still undo. */
    isOpen: (): boolean => isShared,
    /**
     * Calls `settled`, never at once: with null when all that has been written so far is committed, else with what went wrong, be it in
     * the transaction that runs alone.
     */
    whenCommitted,
    /** Calls `listener` whenever something that was written is undone. */
    onUndone: (listener: () => void) => void undone.push(listener),
    /** Commits what is shared, without waiting for the end of the turn: before the database is closed, too. */
    commit: (): void => commitShared(),
  };
}
