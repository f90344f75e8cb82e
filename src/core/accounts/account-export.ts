import { CoreError } from '../errors.ts';
import type { Faults } from '../faults/fault-rules.ts';
import type { MemoryBudget } from '../memory-budget.ts';
import type { Db } from '../storage/database.ts';
import type { RateLimiter } from '../time/rate-limiter.ts';
import type { Timeline } from '../time/timeline.ts';
import { ENTRY_COLUMNS, type EntryRecord, type EvictedRecord, TASK_COLUMNS, type TaskRecord } from './account-rows.ts';
import type { Accounts } from './accounts.ts';

/** Limits of a page, so that reading one takes about a millisecond. */
const MAX_PAGE_ROWS = 50;
const MAX_PAGE_CHARACTERS = 64 * 1024;
/** Approximate size of what is copied of a running task. */
const COPY_BYTES = 200;

interface PageParams {
  accountId: number;
  after: number;
  last: number;
  limit: number;
}

/** A row is read as an array, which takes half as long as reading it as an object. */
type Row = readonly unknown[];

/** Columns that can change until a task ends. */
type RunningColumns = [
  seq: number,
  step: number,
  follows: number | null,
  startedAt: number | null,
  dueAt: number | null,
];

/** Columns of all running tasks. */
const RUNNING = { status: 'processing', finishedAtMs: null, simulatedMs: null, errorCode: null } as const;

/** An account at one point in time. */
export type AccountExport = ReturnType<ReturnType<typeof createExports>['begin']>;

/**
 * Reads an account page by page, as it is at the beginning, while it continues to change. Ledger entries and finished
 * tasks never change, so only the columns of running tasks that can change are copied at the beginning.
 */
export function createExports(
  db: Db,
  deps: { accounts: Accounts; faults: Faults; rateLimiter: RateLimiter; timeline: Timeline; memory: MemoryBudget },
) {
  const { accounts, faults, rateLimiter, timeline, memory } = deps;
  const runningTasks = db
    .prepare<[number], RunningColumns>(`
      SELECT seq, step, follows, started_at, due_at FROM tasks WHERE account_id = ? AND status = 'processing'`)
    .raw();
  const countRunning = db
    .prepare<[number], number>("SELECT count(*) FROM tasks WHERE account_id = ? AND status = 'processing'")
    .pluck();
  const entryPage = db
    .prepare<PageParams, Row>(`
      SELECT ${Object.values(ENTRY_COLUMNS)} FROM ledger_entries
      WHERE account_id = @accountId AND seq > @after AND seq <= @last ORDER BY seq LIMIT @limit`)
    .raw();
  const taskColumns = Object.values(TASK_COLUMNS);
  const taskPage = db
    .prepare<PageParams, Row>(`
      SELECT ${taskColumns} FROM tasks WHERE account_id = @accountId AND seq > @after AND seq <= @last
      UNION ALL
      SELECT ${taskColumns.map((column) => (['seq', 'id'].includes(column) ? column : 'NULL'))}
      FROM evicted_tasks WHERE account_id = @accountId AND seq > @after AND seq <= @last
      ORDER BY seq LIMIT @limit`)
    .raw();

  return {
    /**
     * Begins an export, after applying the account's due transitions.
     * @throws OUT_OF_MEMORY when the copy of its running tasks exceeds the memory budget
     */
    begin(accountId: number) {
      timeline.applyDue(accountId);
      if (!memory.reserve('responses', COPY_BYTES * countRunning.get(accountId)!)) {
        throw new CoreError('OUT_OF_MEMORY', 'the memory for data of clients is full (--memory-budget-mb)');
      }
      const running = new Map(runningTasks.all(accountId).map((row) => [row[0], row]));
      const account = accounts.get(accountId);
      const nowMs = timeline.nowMs(account);
      let [entrySeq, taskSeq] = [0, 0];

      /** @throws ACCOUNT_NOT_FOUND when the account was reset, restored or removed meanwhile */
      function assertExists(): void {
        if (!accounts.has(accountId)) throw new CoreError('ACCOUNT_NOT_FOUND', 'the account is gone');
      }

      return {
        account,
        /** On the account's clock. */
        nowMs,
        profile: accounts.getProfile(accountId),
        faults: faults.list(accountId).map((fault) => ({ ...fault })),
        rateWindow: rateLimiter.peek(accountId, nowMs),
        /** Reads the next ledger entries; an empty page is the end. @throws ACCOUNT_NOT_FOUND */
        readEntries(): EntryRecord[] {
          assertExists();
          const params = { accountId, after: entrySeq, last: account.entryCount, limit: 2 * MAX_PAGE_ROWS };
          const page = entryPage.all(params).map((row) => toRecord(ENTRY_COLUMNS, row) as EntryRecord);
          entrySeq = page.at(-1)?.seq ?? entrySeq;
          return page;
        },
        /** Reads the next tasks, ordered by number; an empty page is the end. @throws ACCOUNT_NOT_FOUND */
        readTasks(): (TaskRecord | EvictedRecord)[] {
          assertExists();
          const page: (TaskRecord | EvictedRecord)[] = [];
          let characters = 0;
          const params = { accountId, after: taskSeq, last: account.taskCount, limit: MAX_PAGE_ROWS };
          for (const row of taskPage.iterate(params)) {
            const task = toRecord(TASK_COLUMNS, row) as TaskRecord | EvictedRecord;
            page.push(task);
            const copied = running.get(task.seq);
            // The export lacks the ledger entries of the task's end, so the task must not be exported as evicted.
            if (copied && task.family === null) {
              throw new CoreError('OUT_OF_MEMORY', 'a running task ended and was evicted during the export');
            }
            if (copied) {
              const [, step, predecessorSeq, startedAtMs, dueAtMs] = copied;
              Object.assign(task, { step, predecessorSeq, startedAtMs, dueAtMs }, RUNNING);
            }
            if (task.family !== null) characters += task.input.length + task.plan.length;
            if (characters > MAX_PAGE_CHARACTERS) break;
          }
          taskSeq = page.at(-1)?.seq ?? taskSeq;
          return page;
        },
        /** Must be called at the end. Can be called repeatedly. */
        close(): void {
          memory.add('responses', -COPY_BYTES * running.size);
          running.clear();
        },
      };
    },
  };
}

/** Returns a row by field. The copy gives all records one shape: adding fields to an empty object takes longer. */
function toRecord<Fields extends object>(columns: Fields, row: Row): Record<keyof Fields, unknown> {
  const record: Record<keyof Fields, unknown> = { ...columns };
  let index = 0;
  for (const field in columns) record[field] = row[index++];
  return record;
}
