// Preloaded into the emulator: after a SIGUSR2 it kills itself before the n-th statement of those that write, or are part of
// what writes, or before the n-th commit. So a transaction ends at any place there is, and what was told before its commit,
// if anything was, is out by then.
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
  // Reads alone change nothing that could be left half done; a commit counts as one that writes.
  if (isPartOfWrite) statements -= 1;
  if (/^\s*COMMIT\b/i.test(source)) commits -= 1;
  if (statements > 0 && commits > 0) return;
  writeSync(STDERR, database.inTransaction ? 'killed in a transaction' : 'killed between transactions');
  process.kill(process.pid, 'SIGKILL');
}

// Kept, because a statement must not be collected before its database.
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
