import { createAccountRows } from './accounts/account-cache.ts';
import { createLives } from './accounts/account-lifetimes.ts';
import { createResets } from './accounts/account-reset.ts';
import { createAccounts } from './accounts/accounts.ts';
import { createSelfMade } from './accounts/auto-accounts.ts';
import { createSnapshots } from './accounts/snapshots.ts';
import { createEvents } from './events.ts';
import { createFaults } from './faults/fault-rules.ts';
import { createLedger } from './ledger/ledger.ts';
import { type DbOptions, openDb } from './storage/database.ts';
import { createTransactions } from './storage/transactions.ts';
import { createTasks } from './tasks/task-engine.ts';
import { createWorker } from './tasks/worker.ts';
import { type Clock, notBefore } from './time/clock.ts';
import { createLimits } from './time/rate-limiter.ts';
import { latestWallMs } from './time/recovery.ts';
import { createTimeline } from './time/timeline.ts';
import { createUntil } from './time/wait-for.ts';

export type Core = ReturnType<typeof openCore>;

export interface CoreOptions extends DbOptions {
  clock: Clock;
  /** How many accounts that made themselves there can be, and how many snapshots of one account. */
  autoAccountLimit: number;
  snapshotLimit: number;
}

/** The emulator without its wire. @throws SetupError when the database cannot be used. */
export function openCore(options: CoreOptions) {
  const { autoAccountLimit, snapshotLimit } = options;
  const db = openDb(options);
  // A machine whose clock was set back while nothing ran: no task comes undone, and none waits until it is right again.
  const { clock, behindMs } = notBefore(options.clock, latestWallMs(db));
  const transactions = createTransactions(db, clock);
  const events = createEvents(transactions);
  const rows = createAccountRows(db, transactions);
  const ledger = createLedger(db, rows, events);
  const faults = createFaults(db, transactions, events);
  const accounts = createAccounts(db, transactions, clock, rows, ledger, faults, events);
  const tasks = createTasks(db, transactions, clock, accounts, ledger, events);
  const timeline = createTimeline(transactions, clock, accounts, tasks, events);
  const limits = createLimits(db, transactions);
  const lives = createLives();
  lives.listen((endedId) => tasks.forget(endedId));
  const parts = { accounts, tasks, timeline, limits, faults, lives, events, most: snapshotLimit };
  const snapshots = createSnapshots(db, transactions, clock, parts);
  const resets = createResets(transactions, accounts, limits, faults, lives, events);
  const selfMade = createSelfMade(db, { accounts, resets, lives, most: autoAccountLimit });
  const worker = createWorker(clock, accounts, timeline, limits);
  tasks.failInterrupted();
  limits.restore();

  return {
    clock,
    /** How far the machine's clock is behind what was kept; time goes on from that. */
    behindMs,
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
    selfMade,
    worker,
    /** Stops the worker, keeps the limiter's counts and closes the database. */
    close() {
      if (!db.open) return;
      worker.stop();
      transactions.commit();
      limits.save();
      db.close();
    },
  };
}
