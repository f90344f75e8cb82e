import { createAccounts } from './accounts.ts';
import type { Clock } from './clock.ts';
import { type DbOptions, openDb } from './db.ts';
import { createLedger } from './ledger.ts';
import { createLimits } from './limits.ts';
import { createTasks } from './tasks.ts';
import { createTimeline } from './timeline.ts';
import { createWorker } from './worker.ts';

export type Core = ReturnType<typeof openCore>;

/** The emulator without its wire. @throws SetupError when the database cannot be used. */
export function openCore(options: DbOptions & { clock: Clock }) {
  const { clock } = options;
  const db = openDb(options);
  const ledger = createLedger(db);
  const accounts = createAccounts(db, clock, ledger);
  const tasks = createTasks(db, clock, accounts, ledger);
  const timeline = createTimeline(db, clock, accounts, tasks);
  const limits = createLimits(db);
  const worker = createWorker(clock, accounts, timeline);
  tasks.failInterrupted();
  limits.restore();

  return {
    clock,
    db,
    accounts,
    ledger,
    tasks,
    timeline,
    limits,
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
