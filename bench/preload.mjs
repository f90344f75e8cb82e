// Fills a data directory with accounts and finished tasks: copies of those that the emulator itself has made.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import Database from 'better-sqlite3';

/** Rows of one transaction stay bounded: about a thousand tasks and twice as many entries. */
const TASKS_PER_TRANSACTION = 1000;
/** Pages of the file that the filling process keeps at hand, in KiB. */
const CACHE_KIB = 256 * 1024;

/** What ids are made of. */
const PREFIX = 'task_';
const ACCOUNT_DIGITS = 6;
const OWN_DIGITS = 11;

/** The key of the copy with this number. */
export const keyOf = (number) => `np_test_filled_${number}`;

/**
 * `template`: the key of the account whose rows are copied; nobody has the file open meanwhile. Answers how many accounts and
 * finished tasks there are then.
 */
export function fill({ dataDir, template, copies }) {
  const db = new Database(join(dataDir, 'emulator.sqlite'), { fileMustExist: true });
  try {
    db.exec(`PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA cache_size = -${CACHE_KIB}`);
    db.function('id_of_copy', { deterministic: true }, idOfCopy);
    copyAll(db, template, copies);
    // What was written goes from the log to the file now, not while something is measured.
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
 * As ids are spread in life, so that the index of ids is as large and as mixed as it would be: the first digits are the
 * account's, then comes the task's place as it is, the rest is the task's own.
 */
function idOfCopy(id, number) {
  if (id === null) return null;
  const account = digest(number).slice(0, ACCOUNT_DIGITS);
  const place = id.slice(PREFIX.length + ACCOUNT_DIGITS, -OWN_DIGITS);
  return `${PREFIX}${account}${place}${digest(`${id} ${number}`).slice(0, OWN_DIGITS)}`;
}

const digest = (text) => createHash('sha256').update(String(text)).digest('hex');

function copyAll(db, template, copies) {
  const { id: from, tasks } = db.prepare('SELECT id, task_count AS tasks FROM accounts WHERE key = ?').get(template);
  const last = db.prepare('SELECT last FROM account_ids').pluck().get();
  // The balance and the number of entries come with the entries, by their trigger.
  const own = { id: '@id', key: '@key', account_id: '@id', balance: 0, entry_count: 0 };
  const copyAccount = copyOf(db, 'accounts', own, 'id');
  const inCopy = (column) => ({ account_id: '@id', [column]: `id_of_copy(${column}, @number)` });
  const copyEntries = copyOf(db, 'ledger_entries', inCopy('task_id'), 'account_id');
  const copyTasks = copyOf(db, 'tasks', inCopy('id'), 'account_id');
  const takeIds = db.prepare('UPDATE account_ids SET last = ?');

  const perTransaction = Math.max(1, Math.floor(TASKS_PER_TRANSACTION / tasks));
  const copySome = db.transaction((first, count) => {
    for (let number = first; number < first + count; number++) {
      const values = { from, id: last + number, key: keyOf(number), number };
      // An order that the triggers see to: a task is paid for and ended by entries that are there.
      copyAccount.run(values);
      copyEntries.run(values);
      copyTasks.run(values);
    }
    takeIds.run(last + first + count - 1);
  });
  for (let first = 1; first <= copies; first += perTransaction) {
    copySome(first, Math.min(perTransaction, copies - first + 1));
  }
}

/** All columns as they are, whichever the schema has, but for those that are the copy's `own`. */
function copyOf(db, table, own, accountColumn) {
  const columns = db.prepare('SELECT name FROM pragma_table_info(?)').pluck().all(table);
  const values = columns.map((column) => own[column] ?? column);
  const order = columns.includes('seq') ? 'ORDER BY seq' : '';
  return db.prepare(
    `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM ${table} WHERE ${accountColumn} = @from ${order}`,
  );
}
