import { createAccountCache } from './accounts/account-cache.ts';
import { createExports } from './accounts/account-export.ts';
import { createImports } from './accounts/account-import.ts';
import { createAccountLifetimes } from './accounts/account-lifetimes.ts';
import { createResets } from './accounts/account-reset.ts';
import { type AccountSettings, createAccounts } from './accounts/accounts.ts';
import { createAutoAccounts } from './accounts/auto-accounts.ts';
import { createSnapshots } from './accounts/snapshots.ts';
import type { CoreContext } from './context.ts';
import { createEvents } from './events.ts';
import { createFaults } from './faults/fault-rules.ts';
import { createLedger } from './ledger/ledger.ts';
import { MemoryBudget } from './memory-budget.ts';
import { type DbOptions, openDb, wasLeftOpen } from './storage/database.ts';
import { createHeapTrimmer } from './storage/heap-trimmer.ts';
import { createStorageMemory } from './storage/storage-memory.ts';
import { createTransactions } from './storage/transactions.ts';
import { createTasks } from './tasks/task-engine.ts';
import { createWorker } from './tasks/worker.ts';
import { type Clock, clampTo } from './time/clock.ts';
import { createRateLimiter } from './time/rate-limiter.ts';
import { createTimeRecord, readLastRecordedMs } from './time/time-record.ts';
import { createTimeline } from './time/timeline.ts';

/** The heap is trimmed at every tenth save, because a trim of a busy emulator takes several milliseconds. */
const SAVES_PER_TRIM = 10;

export type Core = ReturnType<typeof openCore>;

export interface CoreOptions extends DbOptions {
  clock: Clock;
  /** Maximum number of auto-created accounts, and of snapshots per account. */
  autoAccountLimit: number;
  snapshotLimit: number;
  /** Budget for all data held in memory on behalf of clients, in MiB. */
  memoryBudgetMb: number;
}

/**
 * Opens the domain: accounts, ledger, tasks, clocks and fault rules, without any HTTP.
 * @throws SetupError when the database cannot be used
 */
export function openCore(options: CoreOptions) {
  const { autoAccountLimit, snapshotLimit, memoryBudgetMb } = options;
  const memory = new MemoryBudget(memoryBudgetMb * 1024 * 1024);
  const isInMemory = options.dataDir === undefined;
  const wasKilled = options.dataDir !== undefined && wasLeftOpen(options.dataDir);
  const db = openDb(options);
  // If the system clock was set back while the emulator was stopped, continue from the last recorded time: no task
  // regresses, and none stalls until the system clock has caught up.
  const { clock, behindMs } = clampTo(options.clock, isInMemory ? 0 : readLastRecordedMs(db, wasKilled));
  const transactions = createTransactions(db, clock);
  const heap = createHeapTrimmer();
  const storage = createStorageMemory(db, { clock, transactions, memory, heap, isInMemory });
  const accountCache = createAccountCache(db, transactions);
  const events = createEvents(transactions, accountCache);
  const context: CoreContext = { db, transactions, clock, events, storage };
  const ledger = createLedger(context, accountCache);
  const faults = createFaults(context);
  const accounts = createAccounts(context, accountCache, ledger, faults);
  const tasks = createTasks(context, accounts, ledger);
  const timeline = createTimeline(context, accounts, tasks);
  const rateLimiter = createRateLimiter(db, transactions);
  const lifetimes = createAccountLifetimes();
  lifetimes.onEnd((endedId) => {
    tasks.invalidate();
    faults.invalidate();
    rateLimiter.clear(endedId);
  });
  const snapshotDeps = { accounts, tasks, timeline, rateLimiter, faults, lifetimes, maxSnapshots: snapshotLimit };
  const snapshots = createSnapshots(context, snapshotDeps);
  const resets = createResets(context, accounts, faults, lifetimes);
  const exports = createExports(db, { accounts, faults, rateLimiter, timeline, memory });
  const imports = createImports(context, { accounts, tasks, timeline, faults, rateLimiter, resets });
  const autoAccounts = createAutoAccounts(db, { clock, accounts, resets, lifetimes, maxAccounts: autoAccountLimit });
  storage.onPressure(() => tasks.evictOldest() || autoAccounts.evictOldest());
  // The time is read by later starts with the same data directory.
  const timeRecord = isInMemory ? undefined : createTimeRecord(db, clock);
  let saves = 0;
  const worker = createWorker(clock, accounts, timeline, () => {
    rateLimiter.save();
    timeRecord?.saveIfStale();
    storage.measureAtTurnEnd();
    if (saves % SAVES_PER_TRIM === 0) heap.trim();
    saves += 1;
  });
  if (!isInMemory) {
    imports.removeAbandoned();
    tasks.failInterrupted();
  }

  return {
    clock,
    /** How far the system clock is behind the last recorded time; `clock` continues from the recorded time. */
    behindMs,
    /** For tests only; all other code reads and writes through the other members. */
    db,
    isOpen: (): boolean => db.open,
    memory,
    transactions,
    accounts,
    events,
    ledger,
    tasks,
    timeline,
    rateLimiter,
    faults,
    lifetimes,
    snapshots,
    resets,
    exports,
    imports,
    autoAccounts,
    worker,
    /** Changes an account's settings and speed in one transaction; undefined leaves a value unchanged. */
    changeSettings: transactions.exclusive(
      (accountId: number, { speed, ...settings }: AccountSettings & { speed?: number | undefined }): void => {
        if (Object.values(settings).some((value) => value !== undefined)) accounts.change(accountId, settings);
        if (speed !== undefined) timeline.setSpeed(accountId, speed);
      },
    ),
    /**
     * Changes an account's limit of requests and, unless `count` is undefined, the number of requests in its current
     * hour, in one transaction.
     */
    setRateLimit: transactions.exclusive((accountId: number, rateLimit: number | null, count?: number): void => {
      accounts.change(accountId, { rateLimit });
      if (count !== undefined) rateLimiter.set(accountId, count, timeline.nowMs(accounts.get(accountId)));
    }),
    /** Stops the worker, saves the rate limiter's counts and the time, and closes the database. */
    close() {
      if (!db.open) return;
      worker.stop();
      heap.close();
      transactions.flush();
      try {
        rateLimiter.save();
        timeRecord?.save();
      } catch {
        // On a full disk, the last second of both is lost, as after a kill; that must not prevent the stop.
      }
      db.close();
    },
  };
}
