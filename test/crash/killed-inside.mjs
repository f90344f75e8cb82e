// Preloaded into the emulator: after a SIGUSR2 it kills itself before the n-th statement of those that write, or are part of what writes, so that a
// transaction ends at any place there is, between two of its rows and between the last one and the commit.
import { writeSync } from 'node:fs';
import Database from 'better-sqlite3';

const STDERR = 2;
let left = Number.POSITIVE_INFINITY;

process.on('SIGUSR2', () => {
  left = Number(process.env.CRASH_AT_STATEMENT);
});

const db = new Database(':memory:');
const statement = db.prepare('SELECT 1');
const prototype = Object.getPrototypeOf(statement);

for (const name of ['run', 'get', 'all']) {
  const execute = prototype[name];
  prototype[name] = function (...parameters) {
    // Reads alone change nothing that could be left half done; a commit counts as one that writes.
    if (!this.readonly || this.database.inTransaction) left -= 1;
    if (left <= 0) {
      writeSync(
        STDERR,
        this.database.inTransaction ? 'killed in a transaction' : 'killed between transactions',
      );
      process.kill(process.pid, 'SIGKILL');
    }
    return execute.apply(this, parameters);
  };
}
