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
import { createUntil } from './until.ts';
import { createWorker } from './worker.ts';

export type Core = ReturnType<typeof openCore>;

/** The emulator without its wire. @throws SetupError when the database cannot be used. */
export function openCore(options: DbOptions & { clock: Clock }) {
  const { clock } = options;
  const db = openDb(options);
  const events = createEvents();
  const ledger = createLedger(db, events);
  const faults = createFaults(db);
  const accounts = createAccounts(db, clock, ledger, faults);
  const tasks = createTasks(db, clock, accounts, ledger, events);
  const timeline = createTimeline(db, clock, accounts, tasks);
  const limits = createLimits(db);
  const lives = createLives();
  const snapshots = createSnapshots(db, clock, { accounts, tasks, timeline, limits, faults, lives });
  const resets = createResets(db, accounts, limits, faults, lives);
  const worker = createWorker(clock, accounts, timeline, limits);
  tasks.failInterrupted();
  limits.restore();

  return {
    clock,
    db,
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
      limits.save();
      db.close();
    },
  };
}
