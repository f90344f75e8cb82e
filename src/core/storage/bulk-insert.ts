import type { Db } from './database.ts';

type Value = string | number | null;

/** Rows per statement: more do not make it faster. */
const BATCH_ROWS = 40;

/** A row that contradicts another one, or itself. The message says what was expected. */
export class InvalidRow extends Error {
  readonly table: string;
  /** The index that the row was added with. */
  readonly index: number;
  /** The field; undefined if it is not a single one. */
  readonly field: string | undefined;

  constructor(message: string, table: string, index: number, field?: string) {
    super(message);
    this.table = table;
    this.index = index;
    this.field = field;
  }
}

/**
 * Prepares the insertion of very many rows of an account into a table: with several in one statement, each takes half
 * the time. `columns` has the names of the columns by field, except `account_id`.
 */
export function prepareBulkInsert<Row extends Readonly<Record<keyof Row, Value>>>(
  db: Db,
  table: string,
  columns: Readonly<Record<keyof Row, string>>,
) {
  const names = ['account_id', ...Object.values<string>(columns)];
  const placeholders = `(${names.map(() => '?')})`;
  const prepare = (rows: number) =>
    db.prepare<Value[][]>(`INSERT INTO ${table} (${names}) VALUES ${Array(rows).fill(placeholders)}`);
  /** Prepared on first use, because most emulators never need them. */
  let statements: { insertOne: ReturnType<typeof prepare>; insertBatch: ReturnType<typeof prepare> } | undefined;

  function insertEach(rows: readonly Value[][], indexes: readonly number[]): void {
    for (const [position, row] of rows.entries()) {
      try {
        statements!.insertOne.run(row);
      } catch (error) {
        throw isConstraintError(error) ? toInvalidRow(error, table, indexes[position]!) : error;
      }
    }
  }

  function insert(rows: readonly Value[][], indexes: readonly number[]): void {
    try {
      if (rows.length === BATCH_ROWS) {
        statements!.insertBatch.run(...rows);
        return;
      }
    } catch (error) {
      if (!isConstraintError(error)) throw error;
      // The statement has inserted none of them; inserted one by one, they show which one is wrong.
    }
    insertEach(rows, indexes);
  }

  return (accountId: number) => {
    statements ??= { insertOne: prepare(1), insertBatch: prepare(BATCH_ROWS) };
    let rows: Value[][] = [];
    let indexes: number[] = [];

    /** Removes the added rows. */
    function clear(): void {
      rows = [];
      indexes = [];
    }

    return {
      /** Adds a row, which `flush` inserts. */
      add(row: Row, index: number): void {
        const values: Value[] = [accountId];
        for (const field in columns) values.push(row[field]);
        rows.push(values);
        indexes.push(index);
      },
      /** Inserts the added rows. Must run inside a transaction. @throws InvalidRow */
      flush(): void {
        const [addedRows, addedIndexes] = [rows, indexes];
        clear();
        for (let from = 0; from < addedRows.length; from += BATCH_ROWS) {
          insert(addedRows.slice(from, from + BATCH_ROWS), addedIndexes.slice(from, from + BATCH_ROWS));
        }
      },
      isEmpty: () => rows.length === 0,
      clear,
    };
  };
}

/** Does not check the class: in Jest, each test file loads its own, but better-sqlite3 throws errors of the first one. */
const isConstraintError = (error: unknown): error is Error =>
  String((error as { code?: unknown }).code).startsWith('SQLITE_CONSTRAINT');

/** The message of SQLite, or of a trigger, follows a prefix. */
const toInvalidRow = ({ message }: Error, table: string, index: number): InvalidRow =>
  message.includes('tasks.id')
    ? new InvalidRow('another task has this id', table, index, 'id')
    : new InvalidRow(message.replace(/^.*?: /, ''), table, index);
