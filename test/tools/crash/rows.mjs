// The rows that a killed process left in its data directory, read from a copy: opening a database recovers it, and that
// is the emulator's job.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

const FILE = 'emulator.sqlite';
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/**
 * All rows by account key, with snapshots below their account. `isMidWrite`: the write-ahead log ends with pages of an
 * unfinished transaction.
 *
 * @throws Error when SQLite finds the copy corrupt
 */
export function readRows(dataDir, scratchDir) {
  const copy = join(scratchDir, FILE);
  rmSync(scratchDir, { recursive: true, force: true });
  mkdirSync(scratchDir, { recursive: true });
  for (const suffix of ['', '-wal']) {
    if (existsSync(join(dataDir, FILE + suffix))) copyFileSync(join(dataDir, FILE + suffix), copy + suffix);
  }
  const isMidWrite = endsInMidWrite(`${copy}-wal`);
  const db = new Database(copy);
  try {
    const problems = [
      ...db.prepare('PRAGMA integrity_check').pluck().all(),
      ...db.prepare('PRAGMA foreign_key_check').all().map(JSON.stringify),
    ].filter((line) => line !== 'ok');
    if (problems.length > 0) throw new Error(`SQLite finds the database corrupt: ${problems.slice(0, 5)}`);
    return { isMidWrite, accounts: readAccounts(db) };
  } finally {
    db.close();
  }
}

function readAccounts(db) {
  const byId = new Map();
  for (const account of db.prepare('SELECT * FROM accounts').all())
    byId.set(account.id, { account, entries: [], tasks: [], faults: [], snapshots: new Map() });
  const read = (table, into, order, more = '') => {
    for (const row of db.prepare(`SELECT *${more} FROM ${table} ORDER BY ${order}`).iterate())
      byId.get(row.account_id)?.[into].push(row);
  };
  const taskId = '(SELECT id FROM tasks WHERE account_id = ledger_entries.account_id AND seq = task_seq) AS task_id';
  read('ledger_entries', 'entries', 'account_id, seq', `, ${taskId}`);
  read('tasks', 'tasks', 'account_id, seq');
  read('faults', 'faults', 'id');
  for (const { account_id: id, count } of db.prepare('SELECT * FROM rate_windows').all()) byId.get(id).counted = count;
  const accounts = new Map();
  for (const rows of byId.values()) {
    rows.account.balance = rows.entries.at(-1)?.balance ?? 0;
    const { key, snapshot_of: of, snapshot_name: name } = rows.account;
    if (of === null) accounts.set(key, rows);
    else byId.get(of).snapshots.set(name, rows);
  }
  return accounts;
}

/** Whether the write-ahead log ends with pages of an unfinished transaction. */
function endsInMidWrite(wal) {
  const { bytes, frames, isComplete } = readLog(wal);
  if (!isComplete) return true;
  return frames.length > 0 && bytes.readUInt32BE(frames.at(-1) + 4) === 0;
}

/** Length of the current part of the write-ahead log. Bytes behind it are left over from before the last checkpoint. */
export function liveBytes(wal) {
  const { frames, frameBytes } = readLog(wal);
  return frames.length === 0 ? 0 : frames.at(-1) + frameBytes;
}

/** The offsets of the current frames of the log. Frames from before the last checkpoint have a different salt. */
function readLog(wal) {
  const bytes = existsSync(wal) ? readFileSync(wal) : Buffer.alloc(0);
  const frames = [];
  if (bytes.length < WAL_HEADER_BYTES) return { bytes, frames, isComplete: bytes.length === 0 };
  const frameBytes = FRAME_HEADER_BYTES + bytes.readUInt32BE(8);
  const salt = bytes.subarray(16, 24);
  for (let at = WAL_HEADER_BYTES; at < bytes.length; at += frameBytes) {
    // The salt follows the page number and the database size, which is set only in the last frame of a transaction.
    if (!bytes.subarray(at + 8, at + 16).equals(salt)) break;
    if (at + frameBytes > bytes.length) return { bytes, frames, frameBytes, isComplete: false };
    frames.push(at);
  }
  return { bytes, frames, frameBytes, isComplete: true };
}
