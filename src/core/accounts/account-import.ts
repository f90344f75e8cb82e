import { CoreError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Faults, Rule } from '../faults/fault-rules.ts';
import type { Db } from '../storage/database.ts';
import type { StorageMemory } from '../storage/storage-memory.ts';
import type { Transactions } from '../storage/transactions.ts';
import { nextTransitionMs, type Plan } from '../tasks/plan.ts';
import type { Tasks } from '../tasks/task-engine.ts';
import { type Clock, type ClockMode, toClockMs } from '../time/clock.ts';
import type { RateLimiter, RateWindow } from '../time/rate-limiter.ts';
import type { EntryRecord, EvictedRecord, TaskRecord } from './account-export.ts';
import type { Resets } from './account-reset.ts';
import type { Account, AccountOrigin, AccountProfile, Accounts } from './accounts.ts';

/** A row that contradicts another one, or itself. The message says what was expected. */
export class InconsistentRow extends Error {
  /** The column; undefined if it is not a single one. */
  readonly column: string | undefined;

  constructor(message: string, column?: string) {
    super(message);
    this.column = column;
  }
}

/** The values of an account's row. */
export interface ImportedAccount extends Pick<Account, 'key' | 'rateLimit' | 'speed' | 'failureRate' | 'seed'> {
  origin: AccountOrigin;
  revoked: boolean;
  clockMode: ClockMode;
  /** The account's time. */
  nowMs: number;
  createdAtMs: number;
  profile: AccountProfile;
  window: RateWindow | undefined;
}

/** An account that is being imported. It does not exist for anything else until `commit`. */
export interface StagedAccount {
  /**
   * Runs `work`, which adds rows of about `bytes`, in a transaction.
   * @throws OUT_OF_MEMORY when they do not fit into the memory budget
   */
  write(bytes: number, work: () => void): void;
  /** Adds the next ledger entry. Must run inside `write`. @throws InconsistentRow */
  addEntry(entry: EntryRecord): void;
  /** Adds the next task, after all ledger entries. Must run inside `write`. @throws InconsistentRow */
  addTask(task: TaskRecord | EvictedRecord, plan: Plan | undefined): void;
  /** Adds the next fault rule. Must run inside `write`. */
  addFault(rule: Rule, matched: number, fired: number): void;
  /** Returns the number of a hold without a task, if there is one, after all tasks. */
  findUnusedHold(): number | undefined;
  /**
   * Creates the account. With `replace`, it takes the place of an account with the same key; work in progress for that
   * one is cancelled after the commit.
   * @throws ACCOUNT_EXISTS when the key is in use, without `replace`
   */
  commit(account: ImportedAccount, replace: boolean): Account;
  /** Removes everything, unless it is committed. */
  discard(): void;
}

export type Imports = ReturnType<typeof createImports>;

/**
 * Imports accounts row by row, in any number of transactions. Until the last one, the rows belong to a staging account:
 * a snapshot of itself, which nothing finds. The constraints and triggers of the database check every row.
 */
export function createImports(
  db: Db,
  transactions: Transactions,
  clock: Clock,
  deps: {
    accounts: Accounts;
    tasks: Tasks;
    faults: Faults;
    rateLimiter: RateLimiter;
    resets: Resets;
    events: Events;
    storage: StorageMemory;
  },
) {
  const { accounts, tasks, faults, rateLimiter, resets, events, storage } = deps;
  const insertStaging = db.prepare<{ id: number }>(`
    INSERT INTO accounts (id, key, origin, clock_mode, clock_ms, speed, seed, created_at,
                          snapshot_of, snapshot_name, snapshot_at)
    VALUES (@id, char(0) || 'import' || char(0) || @id, 'control', 'frozen', 0, 1, '', 0, @id, 'import', 0)`);
  const publish = db.prepare<Omit<ImportedAccount, 'revoked' | 'profile' | 'window' | 'nowMs'> & PublishedColumns>(`
    UPDATE accounts
    SET key = @key, origin = @origin, rate_limit = @rateLimit, clock_mode = @clockMode, clock_ms = @clockMs,
        speed = @speed, failure_rate = @failureRate, seed = @seed, revoked = @revoked, created_at = @createdAtMs,
        profile = @profile, snapshot_of = NULL, snapshot_name = NULL, snapshot_at = NULL
    WHERE id = @id`);
  const insertEntry = db.prepare<EntryRecord & { accountId: number }>(`
    INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_seq, hold_seq, reason, at)
    VALUES (@accountId, @seq, @kind, @amount, @balance, @taskSeq, @holdSeq, @reason, @atMs)`);
  const insertTask = db.prepare<TaskRecord & { accountId: number }>(`
    INSERT INTO tasks (account_id, seq, id, family, driver, status, price, hold_seq, client_ref, input, plan, step,
                       follows, created_at, started_at, due_at, finished_at, simulated_ms, error_code)
    VALUES (@accountId, @seq, @id, @family, @driver, @status, @price, @holdSeq, @clientRef, @input, @plan, @step,
            @predecessorSeq, @createdAtMs, @startedAtMs, @dueAtMs, @finishedAtMs, @simulatedMs, @errorCode)`);
  const insertEvicted = db.prepare<{ accountId: number; seq: number; id: string }>(
    'INSERT INTO evicted_tasks (account_id, seq, id) VALUES (@accountId, @seq, @id)',
  );
  const isRunning = db.prepare<[number, number], 1>(
    "SELECT 1 FROM tasks WHERE account_id = ? AND seq = ? AND status = 'processing'",
  );
  const removeAbandoned = db.prepare('DELETE FROM accounts WHERE snapshot_of = id');

  const stage = transactions.exclusive((): number => {
    const id = accounts.nextId();
    insertStaging.run({ id });
    return id;
  });
  const remove = transactions.exclusive((id: number): void => accounts.remove(id));

  const commit = transactions.exclusive((id: number, imported: ImportedAccount, replace: boolean): Account => {
    const { key, clockMode, nowMs, revoked, profile, window, ...columns } = imported;
    const existing = accounts.find(key);
    if (existing && !replace) throw new CoreError('ACCOUNT_EXISTS', `there is an account ${key} already`);
    if (existing) {
      const cleanUp = resets.removeRows(existing.id);
      transactions.afterCommit((failure) => {
        if (failure === null) cleanUp();
      });
    }
    publish.run({
      ...columns,
      ...{ id, key, clockMode, revoked: Number(revoked), profile: JSON.stringify(profile) },
      clockMs: toClockMs(clockMode, nowMs, clock.nowMs()),
    });
    accounts.invalidate();
    if (window) rateLimiter.setWindow(id, window);
    events.emit({ type: 'account', accountId: id, change: existing ? 'restored' : 'created' });
    // Synchronous tasks have no request here that could end them.
    tasks.failInterrupted(id);
    tasks.scheduleWake(accounts.get(id));
    return accounts.get(id);
  });

  return {
    /** Removes staging accounts that a killed process has left. */
    removeAbandoned: (): void => void removeAbandoned.run(),

    /** Begins an import. Its caller must call `commit` or `discard`. */
    begin(): StagedAccount {
      const id = stage();
      let isCommitted = false;
      /** Holds without a task so far, by the number of their task. */
      const unusedHolds = new Map<number, { seq: number; isResolved: boolean }>();
      let lastTaskSeq = 0;

      function addTask(task: TaskRecord, plan: Plan): void {
        const { seq, holdSeq, status, predecessorSeq, startedAtMs, dueAtMs } = task;
        const hold = unusedHolds.get(seq);
        if (holdSeq === null && task.price > 0) throw new InconsistentRow('expected the hold of the price', 'holdSeq');
        if ((hold?.seq ?? null) !== holdSeq) {
          throw new InconsistentRow(
            `expected ${hold ? `${hold.seq}, ` : 'none without '}a hold of the task`,
            'holdSeq',
          );
        }
        if (predecessorSeq !== null && predecessorSeq >= seq) {
          throw new InconsistentRow('expected the number of an earlier task', 'predecessorSeq');
        }
        if (status === 'processing') {
          const isWaiting = startedAtMs === null;
          if (isWaiting && !(predecessorSeq !== null && isRunning.get(id, predecessorSeq))) {
            throw new InconsistentRow('expected a time, unless a running task precedes this one', 'startedAtMs');
          }
          const isDue = !isWaiting && task.driver === 'worker' && nextTransitionMs(plan, task.step) !== null;
          if (isDue !== (dueAtMs !== null)) {
            throw new InconsistentRow(isDue ? 'expected the time of the next transition' : 'expected none', 'dueAtMs');
          }
        }
        insertTask.run({ accountId: id, ...task });
        unusedHolds.delete(seq);
      }

      function addEvicted({ seq, id: taskId }: EvictedRecord): void {
        if (unusedHolds.get(seq)?.isResolved === false) {
          throw new InconsistentRow('expected a capture or refund of its hold, because it has ended');
        }
        insertEvicted.run({ accountId: id, seq, id: taskId });
        unusedHolds.delete(seq);
      }

      return {
        write: (bytes, work) => storage.write(bytes, transactions.exclusive(work)),
        addEntry(entry) {
          const { kind, seq, taskSeq } = entry;
          if (kind === 'hold' && taskSeq !== null && unusedHolds.has(taskSeq)) {
            throw new InconsistentRow('expected one hold per task', 'taskSeq');
          }
          translateConstraints(() => insertEntry.run({ accountId: id, ...entry }));
          if (kind === 'hold') unusedHolds.set(taskSeq!, { seq, isResolved: false });
          else if (taskSeq !== null) unusedHolds.get(taskSeq)!.isResolved = true;
        },
        addTask(task, plan) {
          if (task.seq <= lastTaskSeq) throw new InconsistentRow(`expected a number above ${lastTaskSeq}`, 'seq');
          translateConstraints(() => (task.family === null ? addEvicted(task) : addTask(task, plan!)));
          lastTaskSeq = task.seq;
        },
        addFault: (rule, matched, fired) => faults.addCounted(id, rule, matched, fired),
        findUnusedHold(): number | undefined {
          const [hold] = unusedHolds.values();
          return hold?.seq;
        },
        commit(account, replace) {
          const created = commit(id, account, replace);
          isCommitted = true;
          return created;
        },
        discard(): void {
          if (isCommitted || !db.open) return;
          remove(id);
          faults.invalidate();
          storage.measureAtTurnEnd();
        },
      };
    },
  };
}

interface PublishedColumns {
  id: number;
  clockMs: number;
  revoked: number;
  profile: string;
}

/** Runs an insertion. @throws InconsistentRow when a constraint or trigger of the database rejects the row */
function translateConstraints(insert: () => void): void {
  try {
    insert();
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string };
    if (!code.startsWith('SQLITE_CONSTRAINT')) throw error;
    if (message.includes('tasks.id')) throw new InconsistentRow('another task has this id', 'id');
    throw new InconsistentRow(message.replace(/^.*?: /, ''));
  }
}
