// Preloaded into the emulator. After SIGUSR2, the process kills itself before the n-th statement that writes or belongs
// to a write transaction, or before the n-th commit. Transactions thus end at any possible point, and a response that
// was wrongly sent before its commit has already left.
import { writeSync } from 'node:fs';
import Database from 'better-sqlite3';

const STDERR = 2;
const { CRASH_AT_STATEMENT, CRASH_AT_COMMIT } = process.env;
let statements = Number.POSITIVE_INFINITY;
let commits = Number.POSITIVE_INFINITY;

process.on('SIGUSR2', () => {
  if (CRASH_AT_STATEMENT) statements = Number(CRASH_AT_STATEMENT);
  if (CRASH_AT_COMMIT) commits = Number(CRASH_AT_COMMIT);
});

function count(isPartOfWrite, source, database) {
  // A lone read leaves nothing half done. A commit counts as a write.
  if (isPartOfWrite) statements -= 1;
  if (/^\s*COMMIT\b/i.test(source)) commits -= 1;
  if (statements > 0 && commits > 0) return;
  writeSync(STDERR, database.inTransaction ? 'killed in a transaction' : 'killed between transactions');
  process.kill(process.pid, 'SIGKILL');
}

// Held in a variable because a statement must not be garbage-collected before its database.
const db = new Database(':memory:');
const statement = db.prepare('SELECT 1');
const prototype = Object.getPrototypeOf(statement);

for (const name of ['run', 'get', 'all']) {
  const execute = prototype[name];
  prototype[name] = function (...parameters) {
    count(!this.readonly || this.database.inTransaction, this.source, this.database);
    return execute.apply(this, parameters);
  };
}

const { exec } = Database.prototype;
Database.prototype.exec = function (source) {
  count(this.inTransaction, source, this);
  return exec.call(this, source);
};
