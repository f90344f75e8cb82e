import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { SetupError } from '../../../src/core/errors.ts';
import { openDb } from '../../../src/core/storage/database.ts';
import { MIGRATIONS_DIR } from '../../../src/paths.ts';
import { tempDir } from '../../support/temp-dir.ts';

const open = (dataDir: string) => openDb({ dataDir, migrationsDir: MIGRATIONS_DIR });
const dbFile = (dataDir: string) => join(dataDir, 'emulator.sqlite');

describe('the database file', () => {
  it('is made together with its directory, in WAL mode, and opens again as it was left', () => {
    const dir = join(tempDir(), 'a', 'b');
    const db = open(dir);
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    // NORMAL: a killed process loses nothing that was answered.
    expect(db.pragma('synchronous', { simple: true })).toBe(1);
    expect(db.pragma('foreign_keys', { simple: true })).toBe(1);
    db.prepare(
      "INSERT INTO accounts (key, origin, clock_mode, clock_ms, speed, seed, created_at) VALUES ('k', 'seed', 'real', 0, 1, 's', 0)",
    ).run();
    db.close();
    const again = open(dir);
    expect(again.prepare('SELECT key FROM accounts').pluck().all()).toEqual(['k']);
    again.close();
  });

  it('is refused with the schema it has when it was written by a newer version, and left untouched', () => {
    const dir = tempDir();
    open(dir).close();
    const newer = new Database(dbFile(dir));
    newer.pragma('user_version = 99');
    newer.close();
    const before = readFileSync(dbFile(dir));
    expect(() => open(dir)).toThrow(SetupError);
    expect(() => open(dir)).toThrow(/has schema 99, but this version knows schemas up to 3/);
    expect(readFileSync(dbFile(dir)).equals(before)).toBe(true);
  });

  it('belongs to one at a time, also when nothing is written to it', () => {
    const dir = tempDir();
    open(dir).close();
    const first = open(dir);
    expect(() => open(dir)).toThrow(/is in use by another emulator/);
    first.close();
    open(dir).close();
  });

  it("is refused when it is another program's database, and left untouched", () => {
    const dir = tempDir();
    const other = new Database(dbFile(dir));
    other.exec('CREATE TABLE theirs (a)');
    other.close();
    const before = readFileSync(dbFile(dir));
    expect(() => open(dir)).toThrow(/database of another program/);
    expect(readFileSync(dbFile(dir)).equals(before)).toBe(true);
  });

  it('is refused when it is no database, and left untouched', () => {
    const dir = tempDir();
    writeFileSync(dbFile(dir), 'this is a letter, not a database. '.repeat(100));
    expect(() => open(dir)).toThrow(/is no SQLite database/);
    expect(readFileSync(dbFile(dir), 'utf8')).toMatch(/^this is a letter/);
  });

  it('belongs to one process at a time', () => {
    const dir = tempDir();
    const first = open(dir);
    expect(() => open(dir)).toThrow(/in use by another emulator/);
    first.close();
    open(dir).close();
  });

  it('says so when the place for it is a file', () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'file'), '');
    expect(() => open(join(dir, 'file'))).toThrow(/is a file; choose a directory with --data-dir/);
    expect(() => open(join(dir, 'file', 'below'))).toThrow(/file is a file; choose a directory/);
  });

  // Root may write anywhere, so there it cannot be shown this way.
  it.skipIf(process.getuid?.() === 0)('says so when the directory cannot be written', () => {
    const dir = join(tempDir(), 'closed');
    mkdirSync(dir);
    chmodSync(dir, 0o500);
    expect(() => open(dir)).toThrow(/you may write to with --data-dir/);
  });

  it('migrates only forward and only what is missing', () => {
    const dir = tempDir();
    const migrationsDir = tempDir();
    writeFileSync(join(migrationsDir, '0001-one.sql'), 'CREATE TABLE one (a)');
    openDb({ dataDir: dir, migrationsDir }).close();
    writeFileSync(join(migrationsDir, '0002-two.sql'), 'CREATE TABLE two (a)');
    const db = openDb({ dataDir: dir, migrationsDir });
    expect(db.pragma('user_version', { simple: true })).toBe(2);
    expect(db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all()).toEqual([
      'one',
      'two',
    ]);
    db.close();
  });

  it('keeps the schema it had when a migration fails half way', () => {
    const dir = tempDir();
    const migrationsDir = tempDir();
    writeFileSync(join(migrationsDir, '0001-one.sql'), 'CREATE TABLE one (a)');
    openDb({ dataDir: dir, migrationsDir }).close();
    writeFileSync(join(migrationsDir, '0002-two.sql'), 'CREATE TABLE two (a); CREATE TABLE one (b)');
    expect(() => openDb({ dataDir: dir, migrationsDir })).toThrow(/already exists/);
    const db = new Database(dbFile(dir));
    expect(db.pragma('user_version', { simple: true })).toBe(1);
    expect(db.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'two'").pluck().get()).toBe(0);
    db.close();
  });
});
