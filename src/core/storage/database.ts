import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { SetupError } from '../errors.ts';
import { makeDir } from '../files.ts';
import { LazyStatement } from './lazy-statement.ts';

export type Db = Database.Database;

export interface DbOptions {
  /** Directory of the database file; undefined keeps everything in memory. */
  dataDir: string | undefined;
  migrationsDir: string;
}

const FILE_NAME = 'emulator.sqlite';
/** "NANO": distinguishes our files from other programs' databases. */
const APPLICATION_ID = 0x4e414e4f;
/** How long to wait for a previous process that is still stopping and holds the file. */
const LOCK_TIMEOUT_MS = 1500;

/**
 * 8 MB. Checkpoints wait for the disk and should be rare, but a large one delays other requests by 50 ms, and a start after
 * a kill reads all pages since the last.
 */
const PAGES_PER_CHECKPOINT = 2000;
const CACHE_KIB = 16_384;

interface Migration {
  version: number;
  file: string;
}

/**
 * Opens the database and migrates its schema. The lock is exclusive: one process owns a file.
 * @throws SetupError when the file is newer, foreign, damaged, locked or not writable; the file is left unchanged
 */
export function openDb({ dataDir, migrationsDir }: DbOptions): Db {
  const migrations = listMigrations(migrationsDir);
  const newestSchema = join(migrationsDir, 'schema.sql');
  if (dataDir === undefined) {
    const db = connect(':memory:');
    configure(db);
    migrate(db, migrations, newestSchema);
    return db;
  }
  const file = join(dataDir, FILE_NAME);
  let db: Db | undefined;
  try {
    // Prompts and keys are stored here, so the mode does not depend on the umask.
    makeDir(dataDir, 0o700);
    // Owner only: the file holds keys and prompts. SQLite gives its -wal and -shm files the same mode.
    if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
    db = connect(file);
    assertOwnDatabase(db, file, migrations.length);
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL');
    // SQLite takes the lock at the first write; write now, so that a second process fails at startup.
    db.exec('BEGIN IMMEDIATE; COMMIT');
    // A killed process loses nothing. A power failure can lose the last transactions, but never consistency.
    db.exec('PRAGMA synchronous = NORMAL');
    db.exec(`PRAGMA wal_autocheckpoint = ${PAGES_PER_CHECKPOINT}; PRAGMA cache_size = -${CACHE_KIB}`);
    configure(db);
    migrate(db, migrations, newestSchema);
    return db;
  } catch (error) {
    db?.close();
    throw toSetupError(error, dataDir, file);
  }
}

/** Whether the last process that used a data directory was killed: SQLite removes the write-ahead log of a closed file. */
export const wasLeftOpen = (dataDir: string): boolean => existsSync(join(dataDir, `${FILE_NAME}-wal`));

/** Opens a connection. @throws SetupError when the native binding of better-sqlite3 is missing or cannot be loaded */
export function connect(file: string): Db {
  try {
    return compileLazily(new Database(file, { timeout: LOCK_TIMEOUT_MS }));
  } catch (cause) {
    const { code, message } = cause as { code?: string; message: string };
    if (message.startsWith('Could not locate the bindings file')) {
      throw new SetupError(
        'The native binding of better-sqlite3 is missing, because its install script did not run; ' +
          'run npm rebuild better-sqlite3 or pnpm approve-builds.',
        { cause },
      );
    }
    if (code !== 'ERR_DLOPEN_FAILED') throw cause;
    throw new SetupError(
      `The native binding of better-sqlite3 is not for Node.js ${process.version} ` +
        `on ${process.platform}-${process.arch}; run npm rebuild better-sqlite3 or pnpm rebuild better-sqlite3.`,
      { cause },
    );
  }
}

/** Databases and statements that are never garbage-collected, see `retain`. */
const retained: unknown[] = [];
const MUST_RETAIN = Number(process.versions.node.split('.')[0]) >= 24;

/** Makes `prepare` return lazy statements. */
function compileLazily(db: Db): Db {
  const prepare = db.prepare.bind(db) as (sql: string) => Database.Statement;
  db.prepare = ((sql: string) => new LazyStatement(() => retain(prepare(sql)))) as unknown as Db['prepare'];
  return retain(db);
}

/**
 * Keeps a database or statement from being garbage-collected, even after the database is closed. An addon compiled
 * against Node 24.21 aborts the process when one is (Node's ObjectWrap looks up its environment when there is none).
 * For the same reason, pragmas are set with `exec`.
 */
function retain<T extends object>(object: T): T {
  if (MUST_RETAIN) retained.push(object);
  return object;
}

/** Returns the single value of a one-off query. */
export function queryValue(db: Db, sql: string): unknown {
  return db.prepare(sql).pluck().get();
}

function configure(db: Db): void {
  // With recursive_triggers, REPLACE fires the delete triggers and cannot bypass them.
  db.exec('PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA temp_store = MEMORY');
}

function listMigrations(dir: string): Migration[] {
  return readdirSync(dir)
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .sort()
    .map((name) => ({ version: Number(name.slice(0, 4)), file: join(dir, name) }));
}

function schemaVersion(db: Db): number {
  return queryValue(db, 'PRAGMA user_version') as number;
}

const isEmpty = (db: Db) => queryValue(db, 'SELECT count(*) FROM sqlite_schema') === 0;

/** @throws SetupError when another program or a newer version of the emulator wrote the file */
function assertOwnDatabase(db: Db, file: string, newestVersion: number): void {
  const version = schemaVersion(db);
  const applicationId = queryValue(db, 'PRAGMA application_id');
  if (!isEmpty(db) && applicationId !== APPLICATION_ID) {
    throw new SetupError(`${file} is a database of another program; choose another data directory with --data-dir.`);
  }
  if (version > newestVersion) {
    throw new SetupError(
      `${file} has schema ${version}, but this version knows schemas up to ${newestVersion}; ` +
        'use a newer emulator or choose another data directory with --data-dir.',
    );
  }
}

/**
 * Creates the newest schema in a new database, or applies the pending migrations to another, each in one transaction
 * with its version number. Down migrations do not exist.
 */
function migrate(db: Db, migrations: Migration[], newestSchema: string): void {
  const version = schemaVersion(db);
  const isNew = isEmpty(db) && existsSync(newestSchema);
  for (const migration of isNew ? [{ version: migrations.length, file: newestSchema }] : migrations) {
    if (migration.version <= version) continue;
    const sql = readFileSync(migration.file, 'utf8');
    db.transaction(() => {
      db.exec(sql);
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
    ENOSPC: `No space is left for the data directory ${dataDir}; free some space or choose another with --data-dir.`,
    ENOENT: `The data directory ${dataDir} cannot be created; choose another with --data-dir.`,
    SQLITE_CANTOPEN: `${file} cannot be opened; choose a data directory you may write to with --data-dir.`,
    SQLITE_READONLY: `${file} is read-only; choose a data directory you may write to with --data-dir.`,
    SQLITE_FULL: `No space is left for ${file}; free some space or choose another data directory with --data-dir.`,
    SQLITE_BUSY: `${file} is in use by another emulator; stop it or choose another data directory with --data-dir.`,
    SQLITE_NOTADB: `${file} is not an SQLite database; move it away or choose another data directory with --data-dir.`,
    SQLITE_IOERR:
      `${file} cannot be read or written (${code}); see whether the disk is full or faulty, ` +
      'or choose another data directory with --data-dir.',
    SQLITE_CONSTRAINT:
      `${file} has rows that break a rule of this version (${message}); ` +
      'restore a copy or choose another data directory with --data-dir.',
    SQLITE_CORRUPT: `${file} is damaged; restore a copy or choose another data directory with --data-dir.`,
  };
  // Extended codes such as SQLITE_READONLY_DIRECTORY need the same advice as their prefix.
  const matchedCode = Object.keys(advice).find((prefix) => code === prefix || code?.startsWith(`${prefix}_`));
  return matchedCode
    ? new SetupError(advice[matchedCode], { cause: error })
    : new SetupError(`${file} cannot be opened: ${message}.`, { cause: error });
}
