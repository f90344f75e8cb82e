import { createAccountRows } from './account-rows.ts';
import { createAccounts } from './accounts.ts';
import type { Clock } from './clock.ts';
import { type DbOptions, openDb } from './db.ts';
import { createEvents } from './events.ts';
import { createFaults } from './faults.ts';
import { createLedger } from './ledger.ts';
import { createLimits } from './limits.ts';
import { createLives } from './lives.ts';
import { createResets } from './resets.ts';
import { createSnapshots } from './snapshots.ts';
import { createTasks } from './tasks.ts';
import { createTimeline } from './timeline.ts';
import { createTransactions } from './transactions.ts';
import { createUntil } from './until.ts';
import { createWorker } from './worker.ts';

export type Core = ReturnType<typeof openCore>;

/** The emulator without its wire. @throws SetupError when the database cannot be used. */
export function openCore(options: DbOptions & { clock: Clock }) {
  const { clock } = options;
  const db = openDb(options);
  const transactions = createTransactions(db, clock);
  const events = createEvents(transactions);
  const rows = createAccountRows(db, transactions);
  const ledger = createLedger(db, rows, events);
  const faults = createFaults(db, transactions);
  const accounts = createAccounts(db, transactions, clock, rows, ledger, faults);
  const tasks = createTasks(db, transactions, clock, accounts, ledger, events);
  const timeline = createTimeline(transactions, clock, accounts, tasks);
  const limits = createLimits(db, transactions);
  const lives = createLives();
  lives.listen((endedId) => tasks.forget(endedId));
  const parts = { accounts, tasks, timeline, limits, faults, lives };
  const snapshots = createSnapshots(db, transactions, clock, parts);
  const resets = createResets(transactions, accounts, limits, faults, lives);
  const worker = createWorker(clock, accounts, timeline, limits);
  tasks.failInterrupted();
  limits.restore();

  return {
    clock,
    db,
    transactions,
    accounts,
    events,
    until: createUntil(clock, events),
    ledger,
    tasks,
    timeline,
    limits,
    faults,
    lives,
    snapshots,
    resets,
    worker,
    /** Stops the worker, keeps the limiter's counts and closes the database. */
    close() {
      if (!db.open) return;
      worker.stop();
      transactions.close();
      limits.save();
      db.close();
    },
  };
}
