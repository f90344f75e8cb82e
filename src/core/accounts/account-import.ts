import type { CoreContext } from '../context.ts';
import { CoreError } from '../errors.ts';
import type { Faults, Rule } from '../faults/fault-rules.ts';
import { prepareBulkInsert } from '../storage/bulk-insert.ts';
import type { Plan } from '../tasks/plan.ts';
import type { Tasks } from '../tasks/task-engine.ts';
import { type ClockMode, toClockMs } from '../time/clock.ts';
import type { RateLimiter, RateWindow } from '../time/rate-limiter.ts';
import type { Timeline } from '../time/timeline.ts';
import type { Resets } from './account-reset.ts';
import {
  ENTRY_COLUMNS,
  type EntryRecord,
  EVICTED_COLUMNS,
  type EvictedRecord,
  TASK_COLUMNS,
  type TaskRecord,
} from './account-rows.ts';
import type { Account, AccountOrigin, AccountProfile, Accounts } from './accounts.ts';
import { createImportChecks } from './import-checks.ts';

/**
 * Added rows of this size are written together: each transaction writes the pages of every index again. More would delay
 * other requests.
 */
const BYTES_PER_TRANSACTION = 256 * 1024;

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

export interface CommitOptions {
  /** Whether the account takes the place of one with the same key. */
  replace: boolean;
  /** Whether to report the replacement as a reset. */
  isReset?: boolean;
  /** Whether synchronous tasks remain as they are; otherwise they fail. */
  readOnly?: boolean;
}

export type Imports = ReturnType<typeof createImports>;

/**
 * Imports accounts row by row, in any number of transactions. Until the last one, the rows belong to a staging account:
 * a snapshot of itself, which nothing finds. The constraints and triggers of the database check every row.
 */
export function createImports(
  { db, transactions, clock, events, storage }: CoreContext,
  deps: {
    accounts: Accounts;
    tasks: Tasks;
    timeline: Timeline;
    faults: Faults;
    rateLimiter: RateLimiter;
    resets: Resets;
  },
) {
  const { accounts, tasks, timeline, faults, rateLimiter, resets } = deps;
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
  const prepareEntries = prepareBulkInsert(db, 'ledger_entries', ENTRY_COLUMNS);
  const prepareTasks = prepareBulkInsert(db, 'tasks', TASK_COLUMNS);
  const prepareEvicted = prepareBulkInsert(db, 'evicted_tasks', EVICTED_COLUMNS);
  const removeAbandoned = db.prepare('DELETE FROM accounts WHERE snapshot_of = id');

  const stage = transactions.exclusive((): number => {
    const id = accounts.nextId();
    insertStaging.run({ id });
    return id;
  });
  const remove = transactions.exclusive((id: number): void => accounts.remove(id));

  const commit = transactions.exclusive((id: number, imported: ImportedAccount, options: CommitOptions): Account => {
    const { key, clockMode, nowMs, revoked, profile, window, ...columns } = imported;
    const existing = accounts.find(key);
    if (existing && !options.replace)
      throw new CoreError('ACCOUNT_EXISTS', `an account with the key ${key} already exists`);
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
    const replacedBy = options.isReset ? 'reset' : 'restored';
    events.emit({ type: 'account', accountId: id, change: existing ? replacedBy : 'created' });
    // Synchronous tasks have no request here that could end them.
    if (!options.readOnly) tasks.failInterrupted(id);
    timeline.applyDue(id);
    storage.measureAtTurnEnd();
    return accounts.get(id);
  });

  return {
    /** Removes staging accounts that a killed process has left behind. */
    removeAbandoned: (): void => void removeAbandoned.run(),

    /** Begins an import, which nothing else can find until `commit`. Its caller must call `commit` or `discard`. */
    begin() {
      const id = stage();
      const [entries, taskRows, evictedRows] = [prepareEntries(id), prepareTasks(id), prepareEvicted(id)];
      const checks = createImportChecks();
      const rules: Parameters<Faults['addCounted']>[] = [];
      /** Size of the rows and rules that wait for `flush`. */
      let addedBytes = 0;
      let hasEnded = false;

      const insertRows = transactions.exclusive((): void => {
        for (const rows of [entries, taskRows, evictedRows]) rows.flush();
        for (const rule of rules.splice(0)) faults.addCounted(...rule);
      });

      function flush(): void {
        const bytes = addedBytes;
        addedBytes = 0;
        storage.write(bytes, insertRows);
      }

      /** An error in the ledger precedes the errors of tasks that follow from it. */
      function flushEntries(): void {
        if (!entries.isEmpty()) flush();
      }

      return {
        /**
         * Runs `work`, which adds rows of about `bytes`. Flushes when enough rows wait.
         * @throws InvalidRow when a row contradicts another one
         */
        write(bytes: number, work: () => void): void {
          addedBytes += bytes;
          work();
          if (addedBytes >= BYTES_PER_TRANSACTION) flush();
        },
        /**
         * Writes the added rows.
         * @throws InvalidRow when a row contradicts another one
         * @throws OUT_OF_MEMORY when they do not fit into the memory budget
         */
        flush,
        /** Adds the next ledger entry. Must run inside `write`; `index` is for errors. */
        addEntry(entry: EntryRecord, index: number): void {
          checks.checkEntry(entry, index);
          entries.add(entry, index);
        },
        /** Adds the next task, after all ledger entries. Must run inside `write`. */
        addTask(task: TaskRecord, plan: Plan, index: number): void {
          flushEntries();
          checks.checkTask(task, plan, index);
          taskRows.add(task, index);
        },
        /** Adds the next task, which was evicted. Must run inside `write`. */
        addEvicted(task: EvictedRecord, index: number): void {
          flushEntries();
          checks.checkEvicted(task, index);
          evictedRows.add(task, index);
        },
        /** Adds the next fault rule. Must run inside `write`. */
        addFault: (rule: Rule, matched: number, fired: number): void => void rules.push([id, rule, matched, fired]),
        /** Memory held at present, besides the rows in the database. */
        get heldBytes(): number {
          return addedBytes + checks.heldBytes;
        },
        /** Returns the number of a hold without a task, if there is one, after all tasks. */
        findUnusedHold: checks.findUnusedHold,
        /**
         * Creates the account, after `flush`. With `replace`, it takes the place of an account with the same key; work in
         * progress for that one is cancelled after the commit.
         * @throws ACCOUNT_EXISTS when the key is in use, without `replace`
         */
        commit(account: ImportedAccount, options: CommitOptions): Account {
          const created = commit(id, account, options);
          hasEnded = true;
          return created;
        },
        /** Removes everything, unless it is committed. Can be called repeatedly. */
        discard(): void {
          if (hasEnded || !db.open) return;
          hasEnded = true;
          for (const held of [entries, taskRows, evictedRows, checks]) held.clear();
          rules.length = 0;
          addedBytes = 0;
          try {
            remove(id);
          } catch {
            // On a full disk, the next start removes it.
          }
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
