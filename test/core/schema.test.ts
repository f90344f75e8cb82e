import { describe, expect, it } from 'vitest';
import { order, profile, testCore } from '../support/core.ts';

/** The database itself refuses wrong states, whatever the code above it does. */
function withHold() {
  const core = testCore();
  const { id } = core.accounts.create('k', 'seed', profile({ credits: 10 }));
  const [task] = core.tasks.submit(id, [order({ price: 4 })]);
  return { core, db: core.db, id, task: task! };
}

const ENTRY = `INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_id, hold_seq, at)
               VALUES (@id, @seq, @kind, @amount, @balance, @taskId, @holdSeq, 0)`;
const entry = (own: object) => ({
  seq: 3,
  kind: 'adjust',
  amount: 1,
  balance: 7,
  taskId: null,
  holdSeq: null,
  ...own,
});

describe('schema', () => {
  it('refuses a negative balance', () => {
    const { db, id } = withHold();
    expect(() => db.prepare(ENTRY).run({ id, ...entry({ amount: -7, balance: -1 }) })).toThrow(
      /CHECK constraint/,
    );
    expect(() => db.prepare('UPDATE accounts SET balance = -1').run()).toThrow(/CHECK constraint/);
  });

  it('refuses a second resolution of a hold', () => {
    const { core, db, id, task } = withHold();
    core.tasks.complete(id, task.id);
    const second = (kind: string, amount: number) =>
      db
        .prepare(ENTRY)
        .run({ id, ...entry({ seq: 4, kind, amount, balance: 6 + amount, taskId: task.id, holdSeq: 2 }) });
    expect(() => second('capture', 0)).toThrow(/UNIQUE constraint/);
    expect(() => second('refund', 4)).toThrow(/UNIQUE constraint/);
  });

  it('refuses a refund of less or more than the hold, or of what is no hold', () => {
    const { db, id, task } = withHold();
    const refund = (amount: number, holdSeq: number) =>
      db
        .prepare(ENTRY)
        .run({ id, ...entry({ kind: 'refund', amount, balance: 6 + amount, taskId: task.id, holdSeq }) });
    expect(() => refund(3, 2)).toThrow(/resolve a hold/);
    expect(() => refund(5, 2)).toThrow(/resolve a hold/);
    expect(() => refund(4, 1)).toThrow(/resolve a hold/);
  });

  it('refuses entries that skip a number or do not carry the balance on', () => {
    const { db, id } = withHold();
    expect(() => db.prepare(ENTRY).run({ id, ...entry({ seq: 5 }) })).toThrow(/must follow the last one/);
    expect(() => db.prepare(ENTRY).run({ id, ...entry({ balance: 100 }) })).toThrow(
      /must follow the last one/,
    );
  });

  it.each([
    ['grant', -1],
    ['hold', 1],
    ['capture', 1],
    ['adjust', 0],
  ])('refuses a %s of %i', (kind, amount) => {
    const { db, id, task } = withHold();
    const holdSeq = kind === 'capture' ? 2 : null;
    const taskId = kind === 'grant' || kind === 'adjust' ? null : task.id;
    expect(() =>
      db.prepare(ENTRY).run({ id, ...entry({ kind, amount, balance: 6 + amount, taskId, holdSeq }) }),
    ).toThrow(/CHECK constraint/);
  });

  it('refuses to change or remove an entry, but lets it leave with its account', () => {
    const { db, id } = withHold();
    expect(() => db.prepare('UPDATE ledger_entries SET amount = 5 WHERE seq = 1').run()).toThrow(
      /append-only/,
    );
    expect(() => db.prepare('DELETE FROM ledger_entries').run()).toThrow(/append-only/);
    db.prepare('DELETE FROM accounts WHERE id = ?').run(id);
    expect(db.prepare('SELECT count(*) FROM ledger_entries').pluck().get()).toBe(0);
    expect(db.prepare('SELECT count(*) FROM tasks').pluck().get()).toBe(0);
  });

  it('refuses a task that is not paid by a hold of its own over its price', () => {
    const { db, id } = withHold();
    const insert = (holdSeq: number | null, price: number) =>
      db
        .prepare(`INSERT INTO tasks (account_id, seq, id, family, driver, price, hold_seq, input, plan, created_at)
                  VALUES (?, 2, 'task_x', 'sora-2', 'worker', ?, ?, '{}', '{}', 0)`)
        .run(id, price, holdSeq);
    expect(() => insert(2, 4)).toThrow(/a hold of its own/);
    expect(() => insert(null, 4)).toThrow(/CHECK constraint/);
  });

  it('refuses to end a task whose hold is open, and to end one twice', () => {
    const { core, db, id, task } = withHold();
    const end = (status: string) =>
      db
        .prepare('UPDATE tasks SET status = ?, finished_at = 1, due_at = NULL, error_code = ? WHERE id = ?')
        .run(status, status === 'failed' ? 'X' : null, task.id);
    expect(() => end('completed')).toThrow(/capture or refund/);
    core.tasks.complete(id, task.id);
    expect(() => end('completed')).toThrow(/stays as it is/);
  });
});
