import { describe, expect, it } from 'vitest';
import { buildOrder, buildProfile, createTestCore } from '../../support/core.ts';

/** An account with one running task; the tests below bypass the code and write to the tables. */
function createTaskWithHold() {
  const core = createTestCore();
  const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 10 }));
  const [task] = core.tasks.submit(id, [buildOrder({ price: 4 })]);
  return { core, db: core.db, id, task: task! };
}

const INSERT_ENTRY = `INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_id, hold_seq, at)
               VALUES (@id, @seq, @kind, @amount, @balance, @taskId, @holdSeq, 0)`;
const buildEntry = (overrides: object) => ({
  seq: 3,
  kind: 'adjust',
  amount: 1,
  balance: 7,
  taskId: null,
  holdSeq: null,
  ...overrides,
});

describe('schema', () => {
  it('rejects a negative balance', () => {
    const { db, id } = createTaskWithHold();
    expect(() => db.prepare(INSERT_ENTRY).run({ id, ...buildEntry({ amount: -7, balance: -1 }) })).toThrow(
      /CHECK constraint/,
    );
    expect(() => db.prepare('UPDATE accounts SET balance = -1').run()).toThrow(/CHECK constraint/);
  });

  it('rejects a second capture or refund of a hold', () => {
    const { core, db, id, task } = createTaskWithHold();
    core.tasks.complete(id, task.id);
    const second = (kind: string, amount: number) =>
      db.prepare(INSERT_ENTRY).run({
        id,
        ...buildEntry({ seq: 4, kind, amount, balance: 6 + amount, taskId: task.id, holdSeq: 2 }),
      });
    expect(() => second('capture', 0)).toThrow(/UNIQUE constraint/);
    expect(() => second('refund', 4)).toThrow(/UNIQUE constraint/);
  });

  it('rejects a refund that differs from the hold, or whose entry is not a hold', () => {
    const { db, id, task } = createTaskWithHold();
    const refund = (amount: number, holdSeq: number) =>
      db.prepare(INSERT_ENTRY).run({
        id,
        ...buildEntry({ kind: 'refund', amount, balance: 6 + amount, taskId: task.id, holdSeq }),
      });
    expect(() => refund(3, 2)).toThrow(/resolve a hold/);
    expect(() => refund(5, 2)).toThrow(/resolve a hold/);
    expect(() => refund(4, 1)).toThrow(/resolve a hold/);
  });

  it('rejects entries that skip a sequence number or do not continue the balance', () => {
    const { db, id } = createTaskWithHold();
    expect(() => db.prepare(INSERT_ENTRY).run({ id, ...buildEntry({ seq: 5 }) })).toThrow(/must follow the last one/);
    expect(() => db.prepare(INSERT_ENTRY).run({ id, ...buildEntry({ balance: 100 }) })).toThrow(
      /must follow the last one/,
    );
  });

  it.each([
    ['grant', -1],
    ['hold', 1],
    ['capture', 1],
    ['adjust', 0],
  ])('rejects a %s of %i', (kind, amount) => {
    const { db, id, task } = createTaskWithHold();
    const holdSeq = kind === 'capture' ? 2 : null;
    const taskId = kind === 'grant' || kind === 'adjust' ? null : task.id;
    expect(() =>
      db.prepare(INSERT_ENTRY).run({ id, ...buildEntry({ kind, amount, balance: 6 + amount, taskId, holdSeq }) }),
    ).toThrow(/CHECK constraint/);
  });

  it('rejects changing or deleting an entry, except together with its account', () => {
    const { db, id } = createTaskWithHold();
    expect(() => db.prepare('UPDATE ledger_entries SET amount = 5 WHERE seq = 1').run()).toThrow(/append-only/);
    expect(() => db.prepare('DELETE FROM ledger_entries').run()).toThrow(/append-only/);
    db.prepare('DELETE FROM accounts WHERE id = ?').run(id);
    expect(db.prepare('SELECT count(*) FROM ledger_entries').pluck().get()).toBe(0);
    expect(db.prepare('SELECT count(*) FROM tasks').pluck().get()).toBe(0);
  });

  it('rejects a task without its own hold of its full price', () => {
    const { db, id } = createTaskWithHold();
    const insert = (holdSeq: number | null, price: number) =>
      db
        .prepare(`INSERT INTO tasks (account_id, seq, id, family, driver, price, hold_seq, input, plan, created_at)
                  VALUES (?, 2, 'task_x', 'sora-2', 'worker', ?, ?, '{}', '{}', 0)`)
        .run(id, price, holdSeq);
    expect(() => insert(2, 4)).toThrow(/a hold of its own/);
    expect(() => insert(null, 4)).toThrow(/CHECK constraint/);
  });

  it('rejects ending a task whose hold is open, and ending a task twice', () => {
    const { core, db, id, task } = createTaskWithHold();
    const end = (status: string) =>
      db
        .prepare('UPDATE tasks SET status = ?, finished_at = 1, due_at = NULL, error_code = ? WHERE id = ?')
        .run(status, status === 'failed' ? 'X' : null, task.id);
    expect(() => end('completed')).toThrow(/capture or refund/);
    core.tasks.complete(id, task.id);
    expect(() => end('completed')).toThrow(/stays as it is/);
  });

  it('rejects completing a task whose hold was refunded', () => {
    const { core, db, id, task } = createTaskWithHold();
    core.ledger.refund(id, task.holdSeq!, task.id, 'by hand', 0);
    const end = "UPDATE tasks SET status = 'completed', finished_at = 1, due_at = NULL";
    expect(() => db.exec(end)).toThrow(/capture or refund/);
  });

  it('rejects inserting a finished task whose hold is open', () => {
    const { core, db, id } = createTaskWithHold();
    const holdSeq = core.ledger.hold(id, 4, 'task_z', 0);
    const insert = db.prepare(`
      INSERT INTO tasks (account_id, seq, id, family, driver, status, price, hold_seq, input, plan, created_at,
                         finished_at)
      VALUES (?, 2, 'task_z', 'sora-2', 'worker', 'completed', 4, ?, '{}', '{}', 0, 1)`);
    expect(() => insert.run(id, holdSeq)).toThrow(/capture or refund/);
    core.ledger.capture(id, holdSeq, 'task_z', 0);
    expect(insert.run(id, holdSeq).changes).toBe(1);
  });

  it('rejects a capture for another task, and one entry replacing another', () => {
    const { core, db, id, task } = createTaskWithHold();
    const capture = (taskId: string) =>
      db
        .prepare(INSERT_ENTRY)
        .run({ id, ...buildEntry({ kind: 'capture', amount: 0, balance: 6, taskId, holdSeq: 2 }) });
    expect(() => capture('task_other')).toThrow(/resolve a hold of its task/);
    core.tasks.complete(id, task.id);
    const replace = INSERT_ENTRY.replace('INSERT', 'INSERT OR REPLACE');
    const refund = buildEntry({
      seq: 4,
      kind: 'refund',
      amount: 4,
      balance: 10,
      taskId: task.id,
      holdSeq: 2,
    });
    expect(() => db.prepare(replace).run({ id, ...refund })).toThrow(/append-only/);
  });

  it.each([
    ['a failed task without an error code', "status = 'failed', finished_at = 1, due_at = NULL"],
    ['a finished task that is still due', "status = 'completed', finished_at = 1"],
    ['a finished task without a finish time', "status = 'completed', due_at = NULL"],
    ['a due time before the start', 'started_at = NULL'],
  ])('rejects %s', (_case, change) => {
    const { core, db, id, task } = createTaskWithHold();
    if (change.includes('failed')) core.ledger.refund(id, task.holdSeq!, task.id, 'by hand', 0);
    else core.ledger.capture(id, task.holdSeq!, task.id, 0);
    expect(() => db.exec(`UPDATE tasks SET ${change}`)).toThrow(/CHECK constraint/);
  });

  it('rejects a hold without a task', () => {
    const { db, id } = createTaskWithHold();
    const hold = buildEntry({ kind: 'hold', amount: -1, balance: 5 });
    expect(() => db.prepare(INSERT_ENTRY).run({ id, ...hold })).toThrow(/CHECK constraint/);
  });
});
