// Opens databases with better-sqlite3.
import Database from 'better-sqlite3';

/** Never garbage-collected: Node.js 24 aborts when a statement is, see src/core/storage/database.ts. */
const retained = [];

export function openDatabase(file, options) {
  const db = new Database(file, options);
  const prepare = db.prepare.bind(db);
  db.prepare = (sql) => {
    const statement = prepare(sql);
    retained.push(statement);
    return statement;
  };
  retained.push(db);
  return db;
}
