import type { CoreContext } from '../context.ts';
import { CoreError } from '../errors.ts';
import type { Faults, Rule } from '../faults/fault-rules.ts';
import { InvalidRow, prepareBulkInsert } from '../storage/bulk-insert.ts';
import { nextTransitionMs, type Plan } from '../tasks/plan.ts';
import type { Tasks } from '../tasks/task-engine.ts';
import { type ClockMode, toClockMs } from '../time/clock.ts';
import type { RateLimiter, RateWindow } from '../time/rate-limiter.ts';
import type { Timeline } from '../time/timeline.ts';
import type { Resets } from './account-reset.ts';
import { ENTRY_COLUMNS, type EntryRecord, type EvictedRecord, TASK_COLUMNS, type TaskRecord } from './account-rows.ts';
import type { Account, AccountOrigin, AccountProfile, Accounts } from './accounts.ts';

/** Approximate size of an entry of the maps that an import keeps. */
const HOLD_BYTES = 120;
const RUNNING_BYTES = 50;

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
  const insertEvicted = db.prepare<{ accountId: number; seq: number; id: string }>(
    'INSERT INTO evicted_tasks (account_id, seq, id) VALUES (@accountId, @seq, @id)',
  );
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
      const [entries, taskRows] = [prepareEntries(id), prepareTasks(id)];
      let hasEnded = false;
      /** Holds without a task so far, by the number of their task. */
      const unusedHolds = new Map<number, { seq: number; atMs: number; resolvedAtMs: number | null }>();
      /** Running tasks by number; true if another task waits for the end of this one. */
      const runningTasks = new Map<number, boolean>();
      let lastTaskSeq = 0;

      function takeSeq(seq: number, index: number): void {
        // Gaps are rejected: a huge number would leave none for later tasks.
        if (seq !== lastTaskSeq + 1) throw createTaskError(`expected ${lastTaskSeq + 1}`, index, 'seq');
        lastTaskSeq = seq;
      }

      /** @throws InvalidRow when the times of a running task contradict its plan or its predecessor */
      function assertContinues(task: TaskRecord, plan: Plan, index: number): void {
        const { predecessorSeq, startedAtMs, dueAtMs, driver, step } = task;
        const isWaiting = startedAtMs === null;
        const hasSuccessor = predecessorSeq === null ? undefined : runningTasks.get(predecessorSeq);
        if (isWaiting !== (hasSuccessor !== undefined)) {
          const message = isWaiting
            ? 'expected a time, unless a running task precedes this one'
            : 'not allowed before the predecessor has ended';
          throw createTaskError(message, index, 'startedAtMs');
        }
        // The end of a task starts only one other task.
        if (hasSuccessor) throw createTaskError('expected a task without another successor', index, 'predecessorSeq');
        if (isWaiting) runningTasks.set(predecessorSeq!, true);
        const isDue = !isWaiting && driver === 'worker' && nextTransitionMs(plan, step) !== null;
        if (isDue === (dueAtMs !== null)) return;
        const message = isDue
          ? 'expected the time of the next transition'
          : 'not allowed for a task that waits, hangs or is synchronous';
        throw createTaskError(message, index, 'dueAtMs');
      }

      return {
        /**
         * Runs `work`, which adds rows of about `bytes`, in a transaction.
         * @throws InvalidRow when a row contradicts another one
         * @throws OUT_OF_MEMORY when they do not fit into the memory budget
         */
        write: (bytes: number, work: () => void): void =>
          storage.write(
            bytes,
            transactions.exclusive(() => {
              work();
              // Rows that are not in the database would be missing in the next measurement of its size.
              entries.flush();
              taskRows.flush();
            }),
          ),
        /** Adds the next ledger entry. Must run inside `write`; `index` is for errors. */
        addEntry(entry: EntryRecord, index: number): void {
          const { seq, kind, taskSeq, atMs } = entry;
          const hold = taskSeq === null ? undefined : unusedHolds.get(taskSeq);
          if (kind !== 'hold') {
            if (hold) hold.resolvedAtMs = atMs;
          } else if (hold) {
            throw new InvalidRow('expected one hold per task', 'ledger_entries', index, 'taskSeq');
          } else if (taskSeq !== null) unusedHolds.set(taskSeq, { seq, atMs, resolvedAtMs: null });
          entries.add(entry, index);
        },
        /** Adds the next task, after all ledger entries. Must run inside `write`. */
        addTask(task: TaskRecord, plan: Plan, index: number): void {
          const { seq, status, price, holdSeq, predecessorSeq } = task;
          takeSeq(seq, index);
          // Otherwise the trigger of the first task would not find its hold, and would write another one.
          entries.flush();
          const hold = unusedHolds.get(seq);
          if (holdSeq !== (hold?.seq ?? null)) {
            const message = hold
              ? `expected ${hold.seq}, the number of its hold`
              : 'the ledger has no hold of this task';
            throw createTaskError(message, index, 'holdSeq');
          }
          if (hold && hold.atMs !== task.createdAtMs) {
            throw createTaskError(`expected the time of ledger[${hold.seq - 1}]`, index, 'createdAtMs');
          }
          if (hold && hold.resolvedAtMs !== null && hold.resolvedAtMs !== task.finishedAtMs) {
            throw createTaskError('expected the time of its capture or refund', index, 'finishedAtMs');
          }
          if (holdSeq === null && price > 0) {
            throw createTaskError('expected 0, or a hold of the price', index, 'price');
          }
          if (predecessorSeq !== null && predecessorSeq >= seq) {
            throw createTaskError('expected the number of an earlier task', index, 'predecessorSeq');
          }
          if (status === 'processing') {
            assertContinues(task, plan, index);
            runningTasks.set(seq, false);
          }
          unusedHolds.delete(seq);
          taskRows.add(task, index);
        },
        /** Adds the next task, which was evicted. Must run inside `write`. */
        addEvicted({ seq, id: taskId }: EvictedRecord, index: number): void {
          takeSeq(seq, index);
          if (unusedHolds.get(seq)?.resolvedAtMs === null) {
            throw createTaskError('expected a capture or refund of its hold, because the task has ended', index);
          }
          unusedHolds.delete(seq);
          insertEvicted.run({ accountId: id, seq, id: taskId });
        },
        /** Adds the next fault rule. Must run inside `write`. */
        addFault: (rule: Rule, matched: number, fired: number): void => faults.addCounted(id, rule, matched, fired),
        /** Memory held at present, besides the rows. */
        get heldBytes(): number {
          return HOLD_BYTES * unusedHolds.size + RUNNING_BYTES * runningTasks.size;
        },
        /** Returns the number of a hold without a task, if there is one, after all tasks. */
        findUnusedHold: (): number | undefined => unusedHolds.values().next().value?.seq,
        /**
         * Creates the account. With `replace`, it takes the place of an account with the same key; work in progress for
         * that one is cancelled after the commit.
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
          unusedHolds.clear();
          runningTasks.clear();
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

const createTaskError = (message: string, index: number, field?: string) =>
  new InvalidRow(message, 'tasks', index, field);
