import { CoreError } from '../errors.ts';
import type { Fault, Faults } from '../faults/fault-rules.ts';
import type { LedgerEntry } from '../ledger/ledger-entry.ts';
import type { MemoryBudget } from '../memory-budget.ts';
import type { Db } from '../storage/database.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { Task } from '../tasks/task.ts';
import type { RateLimiter, RateWindow } from '../time/rate-limiter.ts';
import type { Timeline } from '../time/timeline.ts';
import type { Account, AccountProfile, Accounts } from './accounts.ts';

/** A ledger entry with its references to a task and to a hold. */
export interface EntryRecord extends Omit<LedgerEntry, 'taskId'> {
  taskSeq: number | null;
  /** The hold that a capture or refund resolves. */
  holdSeq: number | null;
}

/** A task as stored. */
export interface TaskRecord extends Omit<Task, 'accountId' | 'plan'> {
  /** `stream`: a synchronous task, which ends with its request. */
  driver: 'worker' | 'stream';
  /** The ledger entry that holds the price; null if the task is free. */
  holdSeq: number | null;
  /** The request body and the plan, as JSON. */
  input: string;
  plan: string;
}

/** A finished task that was evicted from memory. */
export interface EvictedRecord {
  seq: number;
  id: string;
  family: null;
}

/** An account at one point in time. */
export interface AccountExport {
  account: Account;
  /** On the account's clock. */
  nowMs: number;
  profile: AccountProfile;
  faults: readonly Readonly<Fault>[];
  /** The rate limiter's current hour. */
  window: RateWindow | undefined;
  /** Reads the next ledger entries; an empty page is the end. */
  readEntries(): EntryRecord[];
  /** Reads the next tasks, ordered by number; an empty page is the end. @throws ACCOUNT_NOT_FOUND */
  readTasks(): (TaskRecord | EvictedRecord)[];
  /** Must be called at the end. Can be called repeatedly. */
  close(): void;
}

/** Limits of a page, so that reading one takes about a millisecond. */
const MAX_PAGE_ROWS = 50;
const MAX_PAGE_CHARACTERS = 64 * 1024;
/** Approximate size of a copied row. */
const COPY_BYTES = 50;

export type Exports = ReturnType<typeof createExports>;

/**
 * Reads an account page by page, as it is at the beginning, while it continues to change. Ledger entries and finished
 * tasks never change, so only the columns of running tasks that can change are copied at the beginning.
 */
export function createExports(
  db: Db,
  transactions: Transactions,
  deps: { accounts: Accounts; faults: Faults; rateLimiter: RateLimiter; timeline: Timeline; memory: MemoryBudget },
) {
  const { accounts, faults, rateLimiter, timeline, memory } = deps;
  db.exec(`CREATE TEMP TABLE exported_tasks (
    export_id INTEGER, seq INTEGER, step INTEGER, follows INTEGER, started_at INTEGER, due_at INTEGER,
    PRIMARY KEY (export_id, seq)) WITHOUT ROWID`);
  const copyRunning = db.prepare<{ exportId: number; accountId: number }>(`
    INSERT INTO exported_tasks SELECT @exportId, seq, step, follows, started_at, due_at
    FROM tasks WHERE account_id = @accountId AND status = 'processing' ORDER BY seq`);
  const deleteCopy = db.prepare<[number]>('DELETE FROM exported_tasks WHERE export_id = ?');
  // Rows are read as arrays, which takes half as long as reading them as objects.
  const entryPage = db
    .prepare<PageParams, EntryRow>(`
      SELECT seq, kind, amount, balance, task_seq, hold_seq, reason, at
      FROM ledger_entries WHERE account_id = @accountId AND seq > @after AND seq <= @last ORDER BY seq LIMIT @limit`)
    .raw();
  const taskPage = db
    .prepare<PageParams & { exportId: number }, TaskRow>(`
    SELECT tasks.seq, id, family, driver, iif(copy.seq IS NULL, status, 'processing'), price, hold_seq, client_ref,
           input, plan, iif(copy.seq IS NULL, tasks.step, copy.step),
           iif(copy.seq IS NULL, tasks.follows, copy.follows), created_at,
           iif(copy.seq IS NULL, tasks.started_at, copy.started_at),
           iif(copy.seq IS NULL, tasks.due_at, copy.due_at), iif(copy.seq IS NULL, finished_at, NULL),
           iif(copy.seq IS NULL, simulated_ms, NULL), iif(copy.seq IS NULL, error_code, NULL)
    FROM tasks LEFT JOIN exported_tasks AS copy ON copy.export_id = @exportId AND copy.seq = tasks.seq
    WHERE account_id = @accountId AND tasks.seq > @after AND tasks.seq <= @last
    UNION ALL
    SELECT seq, id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM evicted_tasks WHERE account_id = @accountId AND seq > @after AND seq <= @last
    ORDER BY 1 LIMIT @limit`)
    .raw();
  const isRunningCopy = db.prepare<[number, number], 1>('SELECT 1 FROM exported_tasks WHERE export_id = ? AND seq = ?');
  let lastExportId = 0;

  /** Returns the number of copied rows. */
  const copy = transactions.exclusive((accountId: number, exportId: number): number => {
    timeline.applyDue(accountId);
    return copyRunning.run({ exportId, accountId }).changes;
  });

  return {
    /**
     * Begins an export, after applying the account's due transitions.
     * @throws OUT_OF_MEMORY when the copy of its running tasks exceeds the memory budget
     */
    begin(accountId: number): AccountExport {
      lastExportId += 1;
      const exportId = lastExportId;
      let copiedBytes = COPY_BYTES * copy(accountId, exportId);
      if (!memory.reserve('responses', copiedBytes)) {
        deleteCopy.run(exportId);
        throw new CoreError('OUT_OF_MEMORY', 'the memory for data of clients is full (--memory-budget-mb)');
      }
      const account = accounts.get(accountId);
      const nowMs = timeline.nowMs(account);
      let [entrySeq, taskSeq] = [0, 0];

      /** @throws ACCOUNT_NOT_FOUND when the account was reset, restored or removed meanwhile */
      function assertExists(): void {
        if (!accounts.has(accountId)) throw new CoreError('ACCOUNT_NOT_FOUND', 'the account is gone');
      }

      return {
        account,
        nowMs,
        profile: accounts.getProfile(accountId),
        faults: faults.list(accountId).map((fault) => ({ ...fault })),
        window: rateLimiter.getWindow(accountId, nowMs),
        readEntries() {
          assertExists();
          const page = entryPage.all({
            ...{ accountId, after: entrySeq, last: account.entryCount },
            limit: 2 * MAX_PAGE_ROWS,
          });
          entrySeq = page.at(-1)?.[0] ?? entrySeq;
          return page.map(toEntryRecord);
        },
        readTasks() {
          assertExists();
          const page: (TaskRecord | EvictedRecord)[] = [];
          let characters = 0;
          const params = { exportId, accountId, after: taskSeq, last: account.taskCount, limit: MAX_PAGE_ROWS };
          for (const row of taskPage.iterate(params)) {
            const record = toTaskRecord(row);
            page.push(record);
            if (record.family !== null) characters += record.input.length + record.plan.length;
            if (characters > MAX_PAGE_CHARACTERS) break;
          }
          // The export lacks the ledger entries of the task's end, so the task must not be exported as evicted.
          if (page.some(({ family, seq }) => family === null && isRunningCopy.get(exportId, seq))) {
            throw new CoreError('OUT_OF_MEMORY', 'a running task ended and was evicted during the export');
          }
          taskSeq = page.at(-1)?.seq ?? taskSeq;
          return page;
        },
        close(): void {
          if (db.open) deleteCopy.run(exportId);
          memory.add('responses', -copiedBytes);
          copiedBytes = 0;
        },
      };
    },
  };
}

interface PageParams {
  accountId: number;
  after: number;
  last: number;
  limit: number;
}

type EntryRow = [
  seq: number,
  kind: EntryRecord['kind'],
  amount: number,
  balance: number,
  taskSeq: number | null,
  holdSeq: number | null,
  reason: string | null,
  atMs: number,
];

const toEntryRecord = ([seq, kind, amount, balance, taskSeq, holdSeq, reason, atMs]: EntryRow): EntryRecord => ({
  seq,
  kind,
  amount,
  balance,
  taskSeq,
  holdSeq,
  reason,
  atMs,
});

type TaskRow = [
  seq: number,
  id: string,
  family: string | null,
  driver: TaskRecord['driver'],
  status: TaskRecord['status'],
  price: number,
  holdSeq: number | null,
  clientRef: string | null,
  input: string,
  plan: string,
  step: number,
  predecessorSeq: number | null,
  createdAtMs: number,
  startedAtMs: number | null,
  dueAtMs: number | null,
  finishedAtMs: number | null,
  simulatedMs: number | null,
  errorCode: string | null,
];

function toTaskRecord(row: TaskRow): TaskRecord | EvictedRecord {
  const [seq, id, family, driver, status, price, holdSeq, clientRef, input, plan, step, predecessorSeq, ...times] = row;
  if (family === null) return { seq, id, family };
  const [createdAtMs, startedAtMs, dueAtMs, finishedAtMs, simulatedMs, errorCode] = times;
  return {
    seq,
    id,
    family,
    driver,
    status,
    price,
    holdSeq,
    clientRef,
    input,
    plan,
    step,
    predecessorSeq,
    createdAtMs,
    startedAtMs,
    dueAtMs,
    finishedAtMs,
    simulatedMs,
    errorCode,
  };
}
