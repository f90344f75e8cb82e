// What a killed process has left in its data directory, read from a copy: to open a database is to recover it, and that is
// for the emulator to do.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

const FILE = 'emulator.sqlite';
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/**
 * All rows by key, snapshots below their account. `isMidWrite`: the log ends with pages of a transaction that did not come
 * to its end. @throws Error when SQLite finds the copy damaged
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
    if (problems.length > 0) throw new Error(`SQLite finds the database damaged: ${problems.slice(0, 5)}`);
    return { isMidWrite, accounts: accountsIn(db) };
  } finally {
    db.close();
  }
}

function accountsIn(db) {
  const byId = new Map();
  for (const account of db.prepare('SELECT * FROM accounts').all())
    byId.set(account.id, { account, entries: [], tasks: [], faults: [], snapshots: new Map() });
  const read = (table, into, order) => {
    for (const row of db.prepare(`SELECT * FROM ${table} ORDER BY ${order}`).iterate())
      byId.get(row.account_id)?.[into].push(row);
  };
  read('ledger_entries', 'entries', 'account_id, seq');
  read('tasks', 'tasks', 'account_id, seq');
  read('faults', 'faults', 'id');
  for (const { account_id: id, count } of db.prepare('SELECT * FROM rate_windows').all()) byId.get(id).counted = count;
  const accounts = new Map();
  for (const rows of byId.values()) {
    const { key, snapshot_of: of, snapshot_name: name } = rows.account;
    if (of === null) accounts.set(key, rows);
    else byId.get(of).snapshots.set(name, rows);
  }
  return accounts;
}

/** Whether the log ends with pages of a transaction that did not come to its end. */
function endsInMidWrite(wal) {
  const { bytes, frames, isWhole } = logOf(wal);
  if (!isWhole) return true;
  return frames.length > 0 && bytes.readUInt32BE(frames.at(-1) + 4) === 0;
}

/** Up to where the log is of its present life: what stands behind that is of an earlier one, and of no account. */
export function liveBytes(wal) {
  const { frames, frameBytes } = logOf(wal);
  return frames.length === 0 ? 0 : frames.at(-1) + frameBytes;
}

/** Where the frames begin that are of this life of the log: those of an earlier one have another salt. */
function logOf(wal) {
  const bytes = existsSync(wal) ? readFileSync(wal) : Buffer.alloc(0);
  const frames = [];
  if (bytes.length < WAL_HEADER_BYTES) return { bytes, frames, isWhole: bytes.length === 0 };
  const frameBytes = FRAME_HEADER_BYTES + bytes.readUInt32BE(8);
  const salt = bytes.subarray(16, 24);
  for (let at = WAL_HEADER_BYTES; at < bytes.length; at += frameBytes) {
    // The salt stands behind the page's number and the size of the database, which only a last frame has.
    if (!bytes.subarray(at + 8, at + 16).equals(salt)) break;
    if (at + frameBytes > bytes.length) return { bytes, frames, frameBytes, isWhole: false };
    frames.push(at);
  }
  return { bytes, frames, frameBytes, isWhole: true };
}
