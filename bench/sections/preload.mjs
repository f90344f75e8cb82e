// Fills a data directory with accounts and finished tasks, which are copies of rows that the emulator created.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { openDatabase } from '../support/database.mjs';

/** Bounds a transaction to about a thousand tasks and twice as many ledger entries. */
const TASKS_PER_TRANSACTION = 1000;
/** SQLite's page cache while filling, in KiB. */
const CACHE_KIB = 256 * 1024;

/** The parts of a task id. */
const PREFIX = 'task_';
const ACCOUNT_DIGITS = 6;
const TASK_DIGITS = 11;

/** Account key of the copy with this number. */
export const filledKey = (number) => `np_test_filled_${number}`;

/**
 * `template`: the key of the account whose rows are copied. No other process may have the file open. Returns the
 * resulting numbers of accounts, finished tasks and ledger entries, and the file size.
 */
export function fillDatabase({ dataDir, template, copies }) {
  const db = openDatabase(join(dataDir, 'emulator.sqlite'), { fileMustExist: true });
  try {
    db.exec(`PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA cache_size = -${CACHE_KIB}`);
    db.function('copy_id', { deterministic: true }, toCopyId);
    copyAll(db, template, copies);
    // Checkpoints the write-ahead log now rather than during a measurement.
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const count = (sql) => db.prepare(sql).pluck().get();
    return {
      accounts: count('SELECT count(*) FROM accounts'),
      tasks: count("SELECT count(*) FROM tasks WHERE status = 'completed'"),
      entries: count('SELECT count(*) FROM ledger_entries'),
      bytes: count('SELECT page_count * page_size FROM pragma_page_count, pragma_page_size'),
    };
  } finally {
    db.close();
  }
}

/**
 * Derives a task id for a copy. It is distributed like a real id, so that the id index is as large and as random: first
 * the account's digits, then the task's sequence number, then the task's own digits.
 */
function toCopyId(id, number) {
  if (id === null) return null;
  const account = digest(number).slice(0, ACCOUNT_DIGITS);
  const sequence = id.slice(PREFIX.length + ACCOUNT_DIGITS, -TASK_DIGITS);
  return `${PREFIX}${account}${sequence}${digest(`${id} ${number}`).slice(0, TASK_DIGITS)}`;
}

const digest = (text) => createHash('sha256').update(String(text)).digest('hex');

function copyAll(db, template, copies) {
  const { id: from, tasks } = db
    .prepare(
      'SELECT id, (SELECT count(*) FROM tasks WHERE account_id = accounts.id) AS tasks FROM accounts WHERE key = ?',
    )
    .get(template);
  const last = db.prepare('SELECT last FROM account_ids').pluck().get();
  const copyAccount = prepareCopy(db, 'accounts', { id: '@id', key: '@key' }, 'id');
  const copyEntries = prepareCopy(db, 'ledger_entries', { account_id: '@id' }, 'account_id');
  const copyTasks = prepareCopy(db, 'tasks', { account_id: '@id', id: 'copy_id(id, @number)' }, 'account_id');
  const takeIds = db.prepare('UPDATE account_ids SET last = ?');

  const perTransaction = Math.max(1, Math.floor(TASKS_PER_TRANSACTION / tasks));
  const copyBatch = db.transaction((first, count) => {
    for (let number = first; number < first + count; number++) {
      const values = { from, id: last + number, key: filledKey(number), number };
      // Entries are copied before the tasks, whose triggers would otherwise write new ones.
      copyAccount.run(values);
      copyEntries.run(values);
      copyTasks.run(values);
    }
    takeIds.run(last + first + count - 1);
  });
  for (let first = 1; first <= copies; first += perTransaction) {
    copyBatch(first, Math.min(perTransaction, copies - first + 1));
  }
}

/** Copies all columns of the current schema, except those in `own`, whose values belong to the copy. */
function prepareCopy(db, table, own, accountColumn) {
  const columns = db.prepare('SELECT name FROM pragma_table_info(?)').pluck().all(table);
  const values = columns.map((column) => own[column] ?? column);
  const order = columns.includes('seq') ? 'ORDER BY seq' : '';
  const selection = `SELECT ${values.join(', ')} FROM ${table} WHERE ${accountColumn} = @from ${order}`;
  return db.prepare(`INSERT INTO ${table} (${columns.join(', ')}) ${selection}`);
}
