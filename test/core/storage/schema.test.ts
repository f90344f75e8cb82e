import { describe, expect, it } from 'vitest';
import { buildOrder, buildProfile, createTestCore } from '../../support/core.ts';

/**
 * An account with 6 credits, a running task (1) of 4 credits, and the entries 1 (grant) and 2 (its hold). The tests
 * below bypass the code and write to the tables, as any SQL client could: also one without recursive triggers, whose
 * REPLACE deletes rows without firing their triggers.
 */
function createTaskWithHold() {
  const core = createTestCore();
  const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 10 }));
  const [task] = core.tasks.submit(id, [buildOrder({ price: 4 })]);
  core.db.exec('PRAGMA recursive_triggers = OFF');
  const insertInto =
    (table: string, defaults: object) =>
    (values: object, verb = 'INSERT') => {
      const row = { account_id: id, ...defaults, ...values };
      const columns = Object.keys(row);
      const placeholders = columns.map((column) => `@${column}`);
      core.db.prepare(`${verb} INTO ${table} (${columns.join()}) VALUES (${placeholders.join()})`).run(row);
    };
  return {
    core,
    db: core.db,
    id,
    task: task!,
    insertEntry: insertInto('ledger_entries', { seq: 3, kind: 'adjust', amount: 1, balance: 7, at: 0 }),
    insertTask: insertInto('tasks', {
      ...{ seq: 2, id: 'task_x', family: 'sora-2', driver: 'worker', price: 4, hold_seq: 3 },
      ...{ input: '{}', plan: '{}', created_at: 0, started_at: 0 },
    }),
    listEntries: () => core.ledger.entries(id, 100).map(({ kind, amount, balance }) => `${kind} ${amount} ${balance}`),
  };
}

const COMPLETE = "UPDATE tasks SET status = 'completed', finished_at = 9, due_at = NULL, error_code = NULL";
const FAIL = COMPLETE.replace('completed', 'failed').replace('error_code = NULL', "error_code = 'X'");
const CONTINUE = "UPDATE tasks SET status = 'processing', finished_at = NULL, error_code = NULL";

describe('schema: the row of a task moves the money', () => {
  it('deducts the price and writes the hold when a task is inserted', () => {
    const { core, id, insertTask, listEntries } = createTaskWithHold();
    insertTask({ created_at: 5 });
    expect(listEntries()).toEqual(['grant 10 10', 'hold -4 6', 'hold -4 2']);
    expect(core.ledger.entries(id, 10).at(-1)).toMatchObject({ taskId: 'task_x', atMs: 5, reason: null });
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('rejects a task whose price exceeds the balance', () => {
    const { insertTask, listEntries } = createTaskWithHold();
    expect(() => insertTask({ price: 7 })).toThrow('CHECK constraint failed: balance >= 0');
    expect(listEntries()).toEqual(['grant 10 10', 'hold -4 6']);
  });

  it('writes the capture when a task is completed, and the refund when it fails', () => {
    const captured = createTaskWithHold();
    captured.db.exec(COMPLETE);
    expect(captured.listEntries()).toEqual(['grant 10 10', 'hold -4 6', 'capture 0 6']);
    const refunded = createTaskWithHold();
    refunded.db.exec(FAIL);
    expect(refunded.listEntries()).toEqual(['grant 10 10', 'hold -4 6', 'refund 4 10']);
    const { core, id, task } = refunded;
    expect(core.ledger.entries(id, 10).at(-1)).toMatchObject({ taskId: task.id, atMs: 9, reason: 'X' });
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('rejects a new task that has already ended', () => {
    const { insertTask } = createTaskWithHold();
    expect(() => insertTask({ status: 'completed', finished_at: 1 })).toThrow(/entries of a task must match it/);
  });

  it('rejects a task without a hold, or whose hold leaves out a number', () => {
    const { insertTask } = createTaskWithHold();
    expect(() => insertTask({ hold_seq: null })).toThrow(/CHECK constraint/);
    expect(() => insertTask({ hold_seq: 4 })).toThrow(/must follow the last one/);
    expect(() => insertTask({ hold_seq: 1 })).toThrow(/match the entries that exist/);
    expect(() => insertTask({ hold_seq: 2 })).toThrow(/match the entries that exist/);
    expect(() => insertTask({ price: 0 })).toThrow(/CHECK constraint/);
  });

  it('rejects changes of a task that would no longer match its entries', () => {
    const { db } = createTaskWithHold();
    for (const change of ["id = 'task_y'", 'seq = 9', 'price = 1', 'hold_seq = 1', 'account_id = 9']) {
      expect(() => db.exec(`UPDATE tasks SET ${change}`)).toThrow(/never change/);
    }
  });

  it.each(['completed', 'failed'])('rejects ending a %s task again, also by replacing its row', (status) => {
    const { db, insertTask, listEntries, task } = createTaskWithHold();
    db.exec(status === 'completed' ? COMPLETE : FAIL);
    const entries = listEntries();
    for (const change of [COMPLETE, FAIL, CONTINUE]) expect(() => db.exec(change)).toThrow(/stays as it is/);
    const running = { seq: 1, id: task.id, hold_seq: 2 };
    expect(() => insertTask(running, 'REPLACE')).toThrow(/match the entries that exist/);
    expect(listEntries()).toEqual(entries);
  });

  it('rejects deleting a running task, except together with its account', () => {
    const { db, id } = createTaskWithHold();
    expect(() => db.exec('DELETE FROM tasks')).toThrow(/running task cannot be deleted/);
    db.prepare('DELETE FROM accounts WHERE id = ?').run(id);
    for (const table of ['ledger_entries', 'tasks', 'evicted_tasks']) {
      expect([table, db.prepare(`SELECT count(*) FROM ${table}`).pluck().get()]).toEqual([table, 0]);
    }
  });

  it('keeps the id of a finished task that is deleted, for its entries', () => {
    const { core, db, id, task } = createTaskWithHold();
    db.exec(COMPLETE);
    db.exec('DELETE FROM tasks');
    expect(core.ledger.entries(id, 10).map(({ taskId }) => taskId)).toEqual([null, task.id, task.id]);
    expect(core.ledger.verify(id)).toEqual([]);
    core.accounts.invalidate();
    expect(core.accounts.get(id).taskCount).toBe(1);
  });
});

describe('schema: entries of the ledger', () => {
  it('cannot lead to a negative balance', () => {
    const { insertEntry } = createTaskWithHold();
    expect(() => insertEntry({ amount: -7, balance: -1 })).toThrow(/CHECK constraint/);
  });

  it('cannot resolve the hold of a task that has not ended', () => {
    const { insertEntry } = createTaskWithHold();
    const of = { task_seq: 1, hold_seq: 2 };
    expect(() => insertEntry({ kind: 'capture', amount: 0, balance: 6, ...of })).toThrow(
      /entries of a task must match it/,
    );
    expect(() => insertEntry({ kind: 'refund', amount: 4, balance: 10, ...of })).toThrow(
      /entries of a task must match it/,
    );
  });

  it('cannot resolve a hold again, also not by replacing the first resolution', () => {
    const { db, insertEntry, listEntries } = createTaskWithHold();
    db.exec(COMPLETE);
    const entries = listEntries();
    for (const verb of ['INSERT', 'REPLACE', 'INSERT OR IGNORE']) {
      const of = { seq: 4, task_seq: 1, hold_seq: 2 };
      expect(() => insertEntry({ ...of, kind: 'capture', amount: 0, balance: 6 }, verb)).toThrow(/an open hold/);
      expect(() => insertEntry({ ...of, kind: 'refund', amount: 4, balance: 10 }, verb)).toThrow(/must match it/);
    }
    expect(listEntries()).toEqual(entries);
  });

  it('cannot refund another amount than that of the hold, or resolve what is not a hold of the task', () => {
    const { db, insertEntry } = createTaskWithHold();
    // A hold may precede its task: accounts are copied in this order.
    insertEntry({ kind: 'hold', amount: -4, balance: 2, task_seq: 2 });
    const refund = (amount: number, taskSeq: number, holdSeq: number) => () =>
      insertEntry({ seq: 4, kind: 'refund', amount, balance: 2 + amount, task_seq: taskSeq, hold_seq: holdSeq });
    expect(refund(3, 2, 3)).toThrow(/an open hold/);
    expect(refund(5, 2, 3)).toThrow(/an open hold/);
    expect(refund(4, 3, 3)).toThrow(/an open hold/);
    expect(refund(10, 2, 1)).toThrow(/an open hold/);
    refund(4, 2, 3)();
    expect(db.prepare('SELECT max(balance) FROM ledger_entries WHERE seq = 4').pluck().get()).toBe(6);
  });

  it('cannot hold credits for a task again, or for another price', () => {
    const { insertEntry } = createTaskWithHold();
    for (const amount of [-4, -1]) {
      const hold = { kind: 'hold', amount, balance: 6 + amount, task_seq: 1 };
      expect(() => insertEntry(hold)).toThrow(/entries of a task must match it/);
    }
  });

  it('cannot skip a number, interrupt the balance, or replace another entry', () => {
    const { insertEntry } = createTaskWithHold();
    for (const entry of [{ seq: 5 }, { seq: 0 }, { balance: 100 }, { seq: 2 }, { seq: 1, balance: 1 }]) {
      for (const verb of ['INSERT', 'REPLACE', 'INSERT OR IGNORE']) {
        expect(() => insertEntry(entry, verb)).toThrow(/must follow the last one/);
      }
    }
  });

  it.each([
    ['grant', -1],
    ['hold', 1],
    ['capture', 1],
    ['adjust', 0],
  ])('cannot be a %s of %i', (kind, amount) => {
    const { insertEntry, db } = createTaskWithHold();
    if (kind === 'capture') insertEntry({ kind: 'hold', amount: -1, balance: 5, task_seq: 2 });
    const { seq, balance } = db.prepare('SELECT max(seq) AS seq, balance FROM ledger_entries').get() as {
      seq: number;
      balance: number;
    };
    const row = { seq: seq + 1, kind, amount, balance: balance + amount };
    const of = { hold: { task_seq: 2 }, capture: { task_seq: 2, hold_seq: 3 } }[kind] ?? {};
    expect(() => insertEntry({ ...row, ...of })).toThrow(/CHECK constraint/);
  });

  it('cannot be a hold without a task', () => {
    const { insertEntry } = createTaskWithHold();
    expect(() => insertEntry({ kind: 'hold', amount: -1, balance: 5 })).toThrow(/CHECK constraint/);
  });

  it('are never changed or deleted, except together with their account', () => {
    const { db } = createTaskWithHold();
    expect(() => db.exec('UPDATE ledger_entries SET amount = 5 WHERE seq = 1')).toThrow(/append-only/);
    expect(() => db.exec('DELETE FROM ledger_entries')).toThrow(/append-only/);
  });
});

describe('schema: copies of tasks, whose entries are copied first', () => {
  const HOLD = { kind: 'hold', amount: -4, balance: 2, task_seq: 2 };
  const CAPTURE = { seq: 4, kind: 'capture', amount: 0, balance: 2, task_seq: 2, hold_seq: 3 };
  const REFUND = { ...CAPTURE, kind: 'refund', amount: 4, balance: 6 };
  const COMPLETED = { status: 'completed', finished_at: 1 };
  const FAILED = { status: 'failed', finished_at: 1, error_code: 'X' };

  it.each([
    ['running', {}, [HOLD], 'completed', [HOLD, CAPTURE]],
    ['completed', COMPLETED, [HOLD, CAPTURE], 'running', [HOLD]],
    ['failed', FAILED, [HOLD, REFUND], 'completed', [HOLD, CAPTURE]],
  ])('need those of a %s task, and no others', (_state, task, entries, _other, others) => {
    const right = createTaskWithHold();
    for (const entry of entries) right.insertEntry(entry);
    const before = right.listEntries();
    right.insertTask(task);
    expect(right.listEntries()).toEqual(before);
    expect(right.core.ledger.verify(right.id)).toEqual([]);

    const wrong = createTaskWithHold();
    for (const entry of others) wrong.insertEntry(entry);
    expect(() => wrong.insertTask(task)).toThrow(/match the entries that exist/);
  });

  it('need a hold of their price', () => {
    const { insertEntry, insertTask } = createTaskWithHold();
    insertEntry(HOLD);
    expect(() => insertTask({ price: 3 })).toThrow(/match the entries that exist/);
  });
});

describe('schema: tasks', () => {
  it.each([
    ['a failed task without an error code', "status = 'failed', finished_at = 1, due_at = NULL"],
    ['a finished task that is still due', "status = 'completed', finished_at = 1"],
    ['a finished task without a finish time', "status = 'completed', due_at = NULL"],
    ['a due time before the start', 'started_at = NULL'],
  ])('cannot be %s', (_case, change) => {
    const { db } = createTaskWithHold();
    expect(() => db.exec(`UPDATE tasks SET ${change}`)).toThrow(/CHECK constraint/);
  });
});
