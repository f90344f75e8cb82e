import { createAccountCache } from './accounts/account-cache.ts';
import { createAccountLifetimes } from './accounts/account-lifetimes.ts';
import { createResets } from './accounts/account-reset.ts';
import { createAccounts } from './accounts/accounts.ts';
import { createAutoAccounts } from './accounts/auto-accounts.ts';
import { createSnapshots } from './accounts/snapshots.ts';
import { createEvents } from './events.ts';
import { createFaults } from './faults/fault-rules.ts';
import { createLedger } from './ledger/ledger.ts';
import { type DbOptions, openDb } from './storage/database.ts';
import { createTransactions } from './storage/transactions.ts';
import { createTasks } from './tasks/task-engine.ts';
import { createWorker } from './tasks/worker.ts';
import { type Clock, clampTo } from './time/clock.ts';
import { createRateLimiter } from './time/rate-limiter.ts';
import { lastRecordedWallMs } from './time/recovery.ts';
import { createTimeline } from './time/timeline.ts';
import { createWaiter } from './time/wait-for.ts';

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
  const { clock, behindMs } = clampTo(options.clock, lastRecordedWallMs(db));
  const transactions = createTransactions(db, clock);
  const events = createEvents(transactions);
  const accountCache = createAccountCache(db, transactions);
  const ledger = createLedger(db, accountCache, events);
  const faults = createFaults(db, transactions, events);
  const accounts = createAccounts(db, transactions, clock, accountCache, ledger, faults, events);
  const tasks = createTasks(db, transactions, clock, accounts, ledger, events);
  const timeline = createTimeline(transactions, clock, accounts, tasks, events);
  const rateLimiter = createRateLimiter(db, transactions);
  const lifetimes = createAccountLifetimes();
  lifetimes.onEnd((endedId) => tasks.invalidate(endedId));
  const deps = {
    accounts,
    tasks,
    timeline,
    rateLimiter,
    faults,
    lifetimes,
    events,
    maxSnapshots: snapshotLimit,
  };
  const snapshots = createSnapshots(db, transactions, clock, deps);
  const resets = createResets(transactions, accounts, rateLimiter, faults, lifetimes, events);
  const autoAccounts = createAutoAccounts(db, { accounts, resets, lifetimes, maxAccounts: autoAccountLimit });
  const worker = createWorker(clock, accounts, timeline, rateLimiter);
  tasks.failInterrupted();
  rateLimiter.restore();

  return {
    clock,
    /** How far the machine's clock is behind what was kept; time goes on from that. */
    behindMs,
    db,
    transactions,
    accounts,
    events,
    waitFor: createWaiter(clock, events),
    ledger,
    tasks,
    timeline,
    rateLimiter,
    faults,
    lifetimes,
    snapshots,
    resets,
    autoAccounts,
    worker,
    /** Stops the worker, keeps the limiter's counts and closes the database. */
    close() {
      if (!db.open) return;
      worker.stop();
      transactions.flush();
      rateLimiter.save();
      db.close();
    },
  };
}
