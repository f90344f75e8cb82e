import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { SetupError } from '../errors.ts';

export type Db = Database.Database;

export interface DbOptions {
  /** Directory that holds the database file; undefined keeps everything in memory. */
  dataDir: string | undefined;
  migrationsDir: string;
}

const FILE_NAME = 'emulator.sqlite';
/** "NANO": tells our files from other programs' databases. */
const APPLICATION_ID = 0x4e414e4f;
/** A predecessor that is still stopping may hold the file for a moment. */
const LOCK_TIMEOUT_MS = 1500;

/** 16 MB: a checkpoint waits for the disk, so there should be few, but a start after a kill reads them all. */
const PAGES_PER_CHECKPOINT = 4000;
const CACHE_KIB = 16_384;

interface Migration {
  version: number;
  sql: string;
}

/**
 * Opens the database and brings its schema up to date. One process owns a file: the lock is exclusive.
 * @throws SetupError, with nothing changed, when the file is newer, foreign, damaged, locked or cannot be written.
 */
export function openDb({ dataDir, migrationsDir }: DbOptions): Db {
  const migrations = readMigrations(migrationsDir);
  if (dataDir === undefined) {
    const db = connect(':memory:');
    configure(db);
    migrate(db, migrations);
    return db;
  }
  const file = join(dataDir, FILE_NAME);
  let db: Db | undefined;
  try {
    makeDir(dataDir);
    // Keys and prompts are in it, which is nobody else's business. What SQLite puts beside it follows.
    if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
    db = connect(file);
    // Before anything is written: is it ours, and do we know its schema?
    assertOwnDatabase(db, file, migrations.length);
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL');
    // The lock comes with the first write; whoever comes second is to learn it now.
    db.exec('BEGIN IMMEDIATE; COMMIT');
    // A killed process loses nothing; only a power cut could lose the last moments, never consistency.
    db.exec('PRAGMA synchronous = NORMAL');
    db.exec(`PRAGMA wal_autocheckpoint = ${PAGES_PER_CHECKPOINT}; PRAGMA cache_size = -${CACHE_KIB}`);
    configure(db);
    migrate(db, migrations);
    return db;
  } catch (error) {
    db?.close();
    throw toSetupError(error, dataDir, file);
  }
}

/** @throws SetupError when the addon was built for another Node.js than the one that runs, which is easily done */
function connect(file: string): Db {
  try {
    return new Database(file, { timeout: LOCK_TIMEOUT_MS });
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'ERR_DLOPEN_FAILED') throw cause;
    throw new SetupError(
      `better-sqlite3 was installed with another version of Node.js than ${process.version}; run npm rebuild better-sqlite3, or use that version.`,
      { cause },
    );
  }
}

/** Not `recursive`, which never returns for a path below /proc. */
export function makeDir(dir: string): void {
  if (dirname(dir) !== dir) makeDir(dirname(dir));
  const stats = statSync(dir, { throwIfNoEntry: false });
  if (!stats) mkdirSync(dir);
  else if (!stats.isDirectory()) throw new SetupError(`${dir} is a file; choose a directory with --data-dir.`);
}

/** Statements live as long as their database, see `ask`. */
const retainedStatements = new WeakMap<Db, Database.Statement[]>();

/**
 * One value from a statement that is run once. It is kept all the same, and pragmas are set with `exec`: an addon that
 * was compiled against Node 24.21 aborts the process when a statement is collected as garbage (nodejs' ObjectWrap asks
 * for its environment where there is none).
 */
export function queryValue(db: Db, sql: string): unknown {
  const statement = db.prepare(sql).pluck();
  retainedStatements.set(db, [...(retainedStatements.get(db) ?? []), statement]);
  return statement.get();
}

function configure(db: Db): void {
  // Recursive triggers make REPLACE a delete like any other, so that it cannot pass the triggers by.
  db.exec('PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA temp_store = MEMORY');
}

function readMigrations(dir: string): Migration[] {
  return readdirSync(dir)
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .sort()
    .map((name) => ({ version: Number(name.slice(0, 4)), sql: readFileSync(join(dir, name), 'utf8') }));
}

function schemaVersion(db: Db): number {
  return queryValue(db, 'PRAGMA user_version') as number;
}

function assertOwnDatabase(db: Db, file: string, newestVersion: number): void {
  const version = schemaVersion(db);
  const applicationId = queryValue(db, 'PRAGMA application_id');
  const isEmpty = queryValue(db, 'SELECT count(*) FROM sqlite_schema') === 0;
  if (!isEmpty && applicationId !== APPLICATION_ID) {
    throw new SetupError(`${file} is a database of another program; choose another data directory with --data-dir.`);
  }
  if (version > newestVersion) {
    throw new SetupError(
      `${file} has schema ${version}, but this version knows schemas up to ${newestVersion}; ` +
        'use a newer emulator or choose another data directory with --data-dir.',
    );
  }
}

/** Forward only, each in a transaction of its own together with the version it leads to. */
function migrate(db: Db, migrations: Migration[]): void {
  const version = schemaVersion(db);
  for (const migration of migrations) {
    if (migration.version <= version) continue;
    db.transaction(() => {
      db.exec(migration.sql);
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${migration.version}`);
    })();
  }
}

function toSetupError(error: unknown, dataDir: string, file: string): Error {
  if (error instanceof SetupError) return error;
  const { code, message } = error as { code?: string; message?: string };
  const advice: Record<string, string> = {
    EACCES: `The data directory ${dataDir} cannot be written; choose another with --data-dir.`,
    EPERM: `The data directory ${dataDir} cannot be written; choose another with --data-dir.`,
    EROFS: `The data directory ${dataDir} is read-only; choose another with --data-dir.`,
    ENOSPC: `No space is left for the data directory ${dataDir}; free some or choose another with --data-dir.`,
    ENOENT: `The data directory ${dataDir} cannot be made; choose another with --data-dir.`,
    SQLITE_CANTOPEN: `${file} cannot be opened; choose a data directory you may write to with --data-dir.`,
    SQLITE_READONLY: `${file} is read-only; choose a data directory you may write to with --data-dir.`,
    SQLITE_FULL: `No space is left for ${file}; free some or choose another data directory with --data-dir.`,
    SQLITE_BUSY: `${file} is in use by another emulator; stop it or choose another data directory with --data-dir.`,
    SQLITE_NOTADB: `${file} is no SQLite database; move it away or choose another data directory with --data-dir.`,
    SQLITE_IOERR: `${file} cannot be read or written (${code}); see whether the disk is full or faulty, or choose another data directory with --data-dir.`,
    SQLITE_CORRUPT: `${file} is damaged; restore a copy or choose another data directory with --data-dir.`,
  };
  // Extended codes such as SQLITE_READONLY_DIRECTORY mean the same to the person who reads it.
  const matchedCode = Object.keys(advice).find((prefix) => code === prefix || code?.startsWith(`${prefix}_`));
  return matchedCode
    ? new SetupError(advice[matchedCode], { cause: error })
    : new SetupError(`${file}: ${message}`, { cause: error });
}
