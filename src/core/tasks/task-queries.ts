import type { Db } from '../storage/database.ts';
import type { Task, TaskStatus } from './task.ts';

/** A row of the table `tasks`, with the plan as JSON. */
export type TaskRow = Omit<Task, 'plan'> & { plan: string };
type TaskId = Pick<Task, 'accountId' | 'id'>;

/** All columns except the input, which can be long and is not needed for a poll. */
const COLUMNS = `account_id AS accountId, seq, id, family, status, price, client_ref AS clientRef, plan, step,
  follows AS predecessorSeq, created_at AS createdAtMs, started_at AS startedAtMs, due_at AS dueAtMs,
  finished_at AS finishedAtMs, simulated_ms AS simulatedMs, error_code AS errorCode`;

/** Maximum number of transitions that a transaction applies, and so of due tasks that it reads. Bounds its duration. */
export const MAX_TRANSITIONS = 500;

/** Excludes the copies of tasks that belong to snapshots. */
const NOT_IN_SNAPSHOT = 'EXISTS (SELECT 1 FROM accounts WHERE accounts.id = account_id AND snapshot_of IS NULL)';

/** Excludes the tasks of an unfinished import, which must be complete or fail. */
const NOT_BEING_IMPORTED =
  'NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.id = account_id AND snapshot_of = accounts.id)';

/** Prepares every SQL statement on the table `tasks`, except the copy made for a snapshot. */
export function prepareTaskQueries(db: Db) {
  return {
    // Parameters without names: to bind so many by name takes longer than to insert the row.
    insert: db.prepare<(string | number | null)[]>(`
      INSERT INTO tasks (account_id, seq, id, family, driver, price, hold_seq, client_ref, input, plan, follows,
                         created_at, started_at, due_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    byId: db.prepare<[string, number], TaskRow>(`SELECT ${COLUMNS} FROM tasks WHERE id = ? AND account_id = ?`),
    acrossAccounts: db.prepare<[string, string], TaskRow>(
      `SELECT ${COLUMNS} FROM tasks WHERE id = ? AND family = ? AND ${NOT_IN_SNAPSHOT} ORDER BY account_id`,
    ),
    byClientRef: db.prepare<[string, string], TaskRow>(
      `SELECT ${COLUMNS} FROM tasks
       WHERE client_ref = ? AND family = ? AND driver = 'stream' AND status = 'completed' AND client_ref IS NOT NULL
         AND ${NOT_IN_SNAPSHOT}
       ORDER BY finished_at DESC LIMIT 10`,
    ),
    inputById: db.prepare<[string, number], string>('SELECT input FROM tasks WHERE id = ? AND account_id = ?').pluck(),
    bySeq: db.prepare<[number, number], TaskRow>(`SELECT ${COLUMNS} FROM tasks WHERE account_id = ? AND seq = ?`),
    page: db.prepare<
      { accountId: number; after: number; status: TaskStatus | null; limit: number },
      TaskRow
    >(`SELECT ${COLUMNS} FROM tasks
       WHERE account_id = @accountId AND seq > @after AND status = ifnull(@status, status)
       ORDER BY seq LIMIT @limit`),
    due: db.prepare<[accountId: number, nowMs: number], TaskRow>(
      // With a parameter as the limit, each execution takes 30 µs more.
      `SELECT ${COLUMNS} FROM tasks WHERE account_id = ? AND due_at <= ? AND status = 'processing'
       ORDER BY due_at, seq LIMIT ${MAX_TRANSITIONS}`,
    ),
    earliestDue: db
      .prepare<[accountId: number], number>(
        `SELECT due_at FROM tasks WHERE account_id = ? AND due_at IS NOT NULL AND status = 'processing'
         ORDER BY due_at LIMIT 1`,
      )
      .pluck(),
    successor: db.prepare<[number, number], TaskRow>(
      `SELECT ${COLUMNS} FROM tasks
       WHERE account_id = ? AND follows = ? AND follows IS NOT NULL AND status = 'processing'`,
    ),
    update: db.prepare(`
      UPDATE tasks SET step = @step, follows = @predecessorSeq, started_at = @startedAtMs, due_at = @dueAtMs
      WHERE account_id = @accountId AND seq = @seq`),
    finish: db.prepare(`
      UPDATE tasks SET status = @status, finished_at = @finishedAtMs, simulated_ms = @simulatedMs,
                       error_code = @errorCode, due_at = NULL
      WHERE account_id = @accountId AND seq = @seq`),
    rescale: db.prepare(`
      UPDATE tasks
      SET due_at = CAST(max(@nowMs, min(round(@nowMs + (due_at - @nowMs) * @factor), @latestMs)) AS INTEGER)
      WHERE account_id = @accountId AND due_at IS NOT NULL`),
    synchronous: db.prepare<{ accountId: number | null }, TaskId>(
      // A range, so that the index finds the tasks of one account.
      `SELECT account_id AS accountId, id FROM tasks
       WHERE account_id BETWEEN ifnull(@accountId, 0) AND ifnull(@accountId, 9223372036854775807)
         AND status = 'processing' AND driver = 'stream'`,
    ),
    oldestFinished: db.prepare<[number, number], TaskId & { rowid: number; bytes: number }>(
      `SELECT rowid, account_id AS accountId, id, octet_length(input) AS bytes FROM tasks
       WHERE rowid > ? AND status <> 'processing' AND ${NOT_BEING_IMPORTED} ORDER BY rowid LIMIT ?`,
    ),
    remove: db.prepare<[number]>('DELETE FROM tasks WHERE rowid = ?'),
    outcomes: db.prepare<[number], { status: TaskStatus; errorCode: string | null; count: number }>(`
      SELECT status, error_code AS errorCode, count(*) AS count FROM tasks
      WHERE account_id = ? GROUP BY status, error_code ORDER BY status, count DESC`),
    counts: db.prepare<[], { family: string; status: TaskStatus; count: number }>(`
      SELECT family, status, count(*) AS count FROM tasks
      JOIN accounts ON accounts.id = account_id AND snapshot_of IS NULL GROUP BY family, status`),
    countsByAccount: db.prepare<[], { accountId: number; processing: number; failed: number }>(
      // In the order of the primary key, each row would be looked up by itself, which takes longer.
      `SELECT account_id AS accountId, sum(status = 'processing') AS processing, sum(status = 'failed') AS failed
       FROM tasks NOT INDEXED GROUP BY account_id`,
    ),
  };
}
