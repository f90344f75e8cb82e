import type { Db } from './database.ts';

type Values = readonly (string | number | null)[];

/** Rows per statement: more do not make it faster. */
const BATCH_ROWS = 40;

/** A constraint or trigger of the database rejects a row. */
export class RejectedRow extends Error {
  readonly table: string;
  /** The index that the row was added with. */
  readonly index: number;

  constructor(message: string, table: string, index: number) {
    super(message);
    this.table = table;
    this.index = index;
  }
}

/** Prepares the insertion of very many rows into a table: with several in one statement, each takes half the time. */
export function prepareBulkInsert(db: Db, table: string, columns: readonly string[]) {
  const placeholders = `(${columns.map(() => '?').join()})`;
  const prepare = (rows: number) =>
    db.prepare<[Values]>(`INSERT INTO ${table} (${columns.join()}) VALUES ${Array(rows).fill(placeholders).join()}`);
  /** Prepared on first use, because most emulators never need them. */
  let statements: { insertOne: ReturnType<typeof prepare>; insertBatch: ReturnType<typeof prepare> } | undefined;

  function insertEach(values: Values, indexes: readonly number[]): void {
    for (const [row, index] of indexes.entries()) {
      try {
        statements!.insertOne.run(values.slice(row * columns.length, (row + 1) * columns.length));
      } catch (error) {
        throw isConstraintError(error) ? new RejectedRow(error.message, table, index) : error;
      }
    }
  }

  return () => {
    statements ??= { insertOne: prepare(1), insertBatch: prepare(BATCH_ROWS) };
    /** The values of all added rows, one row after the other. */
    let values: (string | number | null)[] = [];
    let indexes: number[] = [];

    /** Inserts the added rows. Must run inside a transaction. @throws RejectedRow */
    function flush(): void {
      if (indexes.length === 0) return;
      const [addedValues, addedIndexes] = [values, indexes];
      values = [];
      indexes = [];
      if (addedIndexes.length < BATCH_ROWS) {
        insertEach(addedValues, addedIndexes);
        return;
      }
      try {
        statements!.insertBatch.run(addedValues);
      } catch (error) {
        if (!isConstraintError(error)) throw error;
        // The statement has inserted none of them; inserted one by one, they show which one is wrong.
        insertEach(addedValues, addedIndexes);
      }
    }

    return {
      /** Adds a row, which `flush` inserts at the latest. Must run inside a transaction. @throws RejectedRow */
      add(row: Values, index: number): void {
        for (const value of row) values.push(value);
        indexes.push(index);
        if (indexes.length === BATCH_ROWS) flush();
      },
      flush,
    };
  };
}

const isConstraintError = (error: unknown): error is Error =>
  error instanceof Error && ((error as { code?: string }).code ?? '').startsWith('SQLITE_CONSTRAINT');
