import type { Db } from '../storage/database.ts';
import type { Task, TaskStatus } from './task.ts';

/** A row of the table `tasks`, with the plan as JSON. */
export type TaskRow = Omit<Task, 'plan'> & { plan: string };
/** The columns that a transition needs. */
export type DueRow = Pick<
  TaskRow,
  'accountId' | 'seq' | 'id' | 'holdSeq' | 'plan' | 'step' | 'predecessorSeq' | 'startedAtMs' | 'dueAtMs'
>;

type TaskId = Pick<Task, 'accountId' | 'id'>;

const DUE_COLUMNS = `account_id AS accountId, seq, id, hold_seq AS holdSeq, plan, step,
  follows AS predecessorSeq, started_at AS startedAtMs, due_at AS dueAtMs`;
/** All columns except the input, which can be long and is not needed for a poll. */
const COLUMNS = `${DUE_COLUMNS}, family, status, price, client_ref AS clientRef, created_at AS createdAtMs,
  finished_at AS finishedAtMs, simulated_ms AS simulatedMs, error_code AS errorCode`;

/** Excludes the copies of tasks that belong to snapshots. */
const NOT_IN_SNAPSHOT = 'EXISTS (SELECT 1 FROM accounts WHERE accounts.id = account_id AND snapshot_of IS NULL)';

/** Prepares every SQL statement on the table `tasks`, except the copy made for a snapshot. */
export function prepareTaskQueries(db: Db) {
  return {
    insert: db.prepare(`
      INSERT INTO tasks (account_id, seq, id, family, driver, price, hold_seq, client_ref, input, plan, follows,
                         created_at, started_at, due_at)
      VALUES (@accountId, @seq, @id, @family, @driver, @price, @holdSeq, @clientRef, @input, @plan, @predecessorSeq,
              @createdAtMs, @startedAtMs, @dueAtMs)`),
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
    nextDue: db.prepare<[number, number], DueRow>(
      `SELECT ${DUE_COLUMNS} FROM tasks WHERE account_id = ? AND due_at <= ? ORDER BY due_at, seq LIMIT 1`,
    ),
    earliestDue: db
      .prepare<[number], number | null>('SELECT min(due_at) FROM tasks WHERE account_id = ? AND due_at IS NOT NULL')
      .pluck(),
    successor: db.prepare<[number, number], Pick<TaskRow, 'seq' | 'id' | 'plan'>>(
      `SELECT seq, id, plan FROM tasks
       WHERE account_id = ? AND follows = ? AND follows IS NOT NULL AND status = 'processing'`,
    ),
    start: db.prepare(
      'UPDATE tasks SET started_at = @atMs, due_at = @dueAtMs WHERE account_id = @accountId AND seq = @seq',
    ),
    setPredecessor: db.prepare(
      'UPDATE tasks SET follows = @predecessorSeq WHERE account_id = @accountId AND seq = @seq',
    ),
    advanceStep: db.prepare(
      'UPDATE tasks SET step = @step, due_at = @dueAtMs WHERE account_id = @accountId AND seq = @seq',
    ),
    finish: db.prepare(`
      UPDATE tasks SET status = @status, finished_at = @atMs, simulated_ms = @simulatedMs, error_code = @errorCode,
                       due_at = NULL
      WHERE account_id = @accountId AND seq = @seq`),
    rescale: db.prepare(`
      UPDATE tasks
      SET due_at = CAST(max(@nowMs, min(round(@nowMs + (due_at - @nowMs) * @factor), @latestMs)) AS INTEGER)
      WHERE account_id = @accountId AND due_at IS NOT NULL`),
    synchronous: db.prepare<[number | null], TaskId>(
      `SELECT account_id AS accountId, id FROM tasks
       WHERE driver = 'stream' AND status = 'processing' AND account_id = ifnull(?, account_id)`,
    ),
    oldestFinished: db.prepare<[number, number], TaskId & { rowid: number; bytes: number }>(
      `SELECT rowid, account_id AS accountId, id, octet_length(input) AS bytes FROM tasks
       WHERE rowid > ? AND status <> 'processing' ORDER BY rowid LIMIT ?`,
    ),
    remove: db.prepare<[number]>('DELETE FROM tasks WHERE rowid = ?'),
    countEvicted: db.prepare<[number]>('UPDATE accounts SET evicted_tasks = evicted_tasks + 1 WHERE id = ?'),
    counts: db.prepare<[], { family: string; status: TaskStatus; count: number }>(`
      SELECT family, status, count(*) AS count FROM tasks
      JOIN accounts ON accounts.id = account_id AND snapshot_of IS NULL GROUP BY family, status`),
  };
}
