// The upper bound for a server that stores tasks with better-sqlite3: bare Fastify that writes the emulator's rows of a
// task, in one transaction per event-loop turn, and responds after the commit. Tables, indexes and pragmas are the
// emulator's, without triggers, checks and foreign keys. Arguments: a database of the emulator with one task, whose
// rows are the template, and the file to write or `:memory:`.
import Fastify from 'fastify';
import { openDatabase } from '../support/database.mjs';
import { CHECK_STATUS, GENERATE } from '../support/requests.mjs';

const [templateFile, file] = process.argv.slice(2);
const db = openDatabase(file);
db.exec('PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA temp_store = MEMORY');
if (file !== ':memory:') {
  // The same values as in src/core/storage/database.ts.
  db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  db.exec('PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16384');
}
const template = openDatabase(templateFile);
for (const { sql } of template
  .prepare("SELECT sql FROM sqlite_schema WHERE tbl_name IN ('tasks', 'ledger_entries') AND type IN ('table', 'index')")
  .all()) {
  if (sql !== null) db.exec(sql);
}

/** Returns the first matching row of the template, and a function that inserts it with changes. */
function copyOf(table, where) {
  const row = template.prepare(`SELECT * FROM ${table} WHERE ${where}`).get();
  const columns = Object.keys(row);
  const statement = db.prepare(`INSERT INTO ${table} (${columns}) VALUES (${columns.map(() => '?')})`);
  return { row: { ...row }, insert: (changes) => statement.run(Object.values(Object.assign(row, changes))) };
}

const task = copyOf('tasks', 'seq = 1');
const hold = copyOf('ledger_entries', "kind = 'hold'");
template.close();
const stepMs = task.row.due_at - task.row.created_at;
let seq = 0;
let balance = hold.row.balance;

function insertTask() {
  seq += 1;
  balance -= task.row.price;
  const id = `task_${String(seq).padStart(24, '0')}`;
  const at = Date.now();
  // The emulator's steps end at random times, so the index of due times does not grow at its end only.
  const due_at = at + Math.round(stepMs * (0.5 + Math.random()));
  task.insert({ seq, id, hold_seq: seq + 1, created_at: at, started_at: at, due_at });
  hold.insert({ seq: seq + 1, balance, task_seq: seq, at });
  return id;
}

const begin = db.prepare('BEGIN IMMEDIATE');
const commit = db.prepare('COMMIT');
/** Responses that wait for the commit at the end of the turn; undefined when no transaction is open. */
let waiters;

/** Opens the turn's transaction unless it is open. The promise resolves after its commit. */
function joinTransaction() {
  if (!waiters) {
    begin.run();
    waiters = [];
    setImmediate(() => {
      const committed = waiters;
      waiters = undefined;
      commit.run();
      for (const resolve of committed) resolve();
    });
  }
  return new Promise((resolve) => waiters.push(resolve));
}

const app = Fastify();

app.post(GENERATE, async () => {
  const committed = joinTransaction();
  const taskId = insertTask();
  await committed;
  return { success: true, status: 'processing', taskId, message: 'Video generation in progress' };
});

// Constant: the bench only measures the writes of this server.
app.post(CHECK_STATUS, async () => ({ success: true, status: 'processing' }));

const url = await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`${JSON.stringify({ url })}\n`);
