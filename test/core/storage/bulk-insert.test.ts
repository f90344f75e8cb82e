import { describe, expect, it } from 'vitest';
import { InvalidRow, prepareBulkInsert } from '../../../src/core/storage/bulk-insert.ts';
import { connect } from '../../../src/core/storage/database.ts';

/** The number of rows of one statement. */
const BATCH_ROWS = 40;

function createTable() {
  const db = connect(':memory:');
  db.exec(`
    CREATE TABLE things (account_id INTEGER, seq INTEGER UNIQUE, full_name TEXT);
    CREATE TRIGGER things_are_named BEFORE INSERT ON things WHEN NEW.full_name = ''
    BEGIN SELECT RAISE(ABORT, 'things: expected a name: any'); END`);
  const prepare = db.prepare.bind(db);
  /** The number of rows of each executed statement. */
  const executed: number[] = [];
  db.prepare = ((sql: string) => {
    const statement = prepare(sql);
    const run = (...rows: unknown[]) => {
      executed.push(rows.length);
      return statement.run(...rows);
    };
    return { run };
  }) as unknown as typeof db.prepare;
  const begin = prepareBulkInsert<{ seq: number; name: string }>(db, 'things', { seq: 'seq', name: 'full_name' });
  const insert = begin(7);
  /** Adds rows with these numbers and an index 1000 above their position. */
  const add = (count: number, change: (row: { seq: number; name: string }, position: number) => void = () => {}) => {
    for (let position = 0; position < count; position++) {
      const row = { seq: position, name: `n${position}` };
      change(row, position);
      insert.add(row, 1000 + position);
    }
  };
  const listSeqs = () => prepare('SELECT seq FROM things ORDER BY rowid').pluck().all();
  return { db, begin, insert, add, executed, listSeqs, readFirst: () => prepare('SELECT * FROM things').get() };
}

function catchError(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
}

describe('bulk insert', () => {
  it('inserts rows in their order, 40 per statement and the rest one by one', () => {
    const { insert, begin, add, executed, listSeqs, readFirst } = createTable();
    expect(insert.isEmpty()).toBe(true);
    add(83);
    expect([insert.isEmpty(), executed]).toEqual([false, []]);
    insert.flush();
    expect([insert.isEmpty(), executed]).toEqual([true, [40, 40, 1, 1, 1]]);
    expect(readFirst()).toEqual({ account_id: 7, seq: 0, full_name: 'n0' });
    insert.flush();
    const other = begin(8);
    other.add({ seq: 83, name: 'n' }, 0);
    other.flush();
    expect(listSeqs()).toEqual(Array.from({ length: 84 }, (_, seq) => seq));
  });

  it('inserts nothing of what was cleared', () => {
    const { insert, add, executed } = createTable();
    add(3);
    insert.clear();
    expect(insert.isEmpty()).toBe(true);
    insert.flush();
    expect(executed).toEqual([]);
  });

  it.each([0, 2, BATCH_ROWS, 2 * BATCH_ROWS - 1, 2 * BATCH_ROWS + 1])(
    'names the invalid row at position %i',
    (invalid) => {
      const { insert, add, listSeqs } = createTable();
      insert.add({ seq: 0, name: '' }, 0);
      insert.clear();
      add(2 * BATCH_ROWS + 2, (row, position) => {
        if (position >= invalid) row.name = '';
      });
      const error = catchError(insert.flush);
      expect(error).toBeInstanceOf(InvalidRow);
      expect(error).toMatchObject({ message: 'expected a name: any', table: 'things', index: 1000 + invalid });
      expect(error).toHaveProperty('field', undefined);
      expect(listSeqs()).toHaveLength(invalid);
      expect(insert.isEmpty()).toBe(true);
    },
  );

  it('names the field of a task whose id exists', () => {
    const { db } = createTable();
    db.exec('CREATE TABLE tasks (account_id INTEGER, id TEXT UNIQUE)');
    const insert = prepareBulkInsert<{ id: string }>(db, 'tasks', { id: 'id' })(7);
    for (const index of [3, 5]) insert.add({ id: 'same' }, index);
    expect(catchError(insert.flush)).toMatchObject({ message: 'another task has this id', index: 5, field: 'id' });
  });

  it.each([1, BATCH_ROWS])('does not blame one of %i rows, or try again, when the disk is full', (count) => {
    const { db, insert, add, executed } = createTable();
    db.exec('PRAGMA max_page_count = 1');
    add(count, (row) => {
      row.name = 'x'.repeat(10_000);
    });
    expect(catchError(insert.flush)).toMatchObject({ code: 'SQLITE_FULL' });
    expect(executed).toEqual([count]);
  });

  it.each([1, BATCH_ROWS])('does not blame one of %i rows, or try again, for a value of another type', (count) => {
    const { insert, add, executed } = createTable();
    add(count, (row) => {
      row.name = true as never;
    });
    expect(catchError(insert.flush)).toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining('can only bind'),
    });
    expect(executed).toEqual([count]);
  });
});
