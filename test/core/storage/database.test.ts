import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { SetupError } from '../../../src/core/errors.ts';
import { openDb } from '../../../src/core/storage/database.ts';
import { MIGRATIONS_DIR } from '../../../src/paths.ts';
import { buildProfile, createTestCore } from '../../support/core.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTestClock } from '../../support/test-clock.ts';

const open = (dataDir: string) => openDb({ dataDir, migrationsDir: MIGRATIONS_DIR });
const dbFile = (dataDir: string) => join(dataDir, 'emulator.sqlite');

describe('database file', () => {
  it('is created with its directory, in WAL mode, and keeps its rows when reopened', () => {
    const dir = join(tempDir(), 'a', 'b');
    const db = open(dir);
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    // 1 is NORMAL: a killed process loses nothing that a response reported.
    expect(db.pragma('synchronous', { simple: true })).toBe(1);
    expect(db.pragma('foreign_keys', { simple: true })).toBe(1);
    db.prepare(
      `INSERT INTO accounts (key, origin, clock_mode, clock_ms, speed, seed, created_at)
       VALUES ('k', 'seed', 'real', 0, 1, 's', 0)`,
    ).run();
    db.close();
    const again = open(dir);
    expect(again.prepare('SELECT key FROM accounts').pluck().all()).toEqual(['k']);
    again.close();
  });

  it('is rejected and left unchanged when a newer version wrote it; the error names both schema versions', () => {
    const dir = tempDir();
    open(dir).close();
    const newer = new Database(dbFile(dir));
    newer.pragma('user_version = 99');
    newer.close();
    const before = readFileSync(dbFile(dir));
    expect(() => open(dir)).toThrow(SetupError);
    expect(() => open(dir)).toThrow(/has schema 99, but this version knows schemas up to 5/);
    expect(readFileSync(dbFile(dir)).equals(before)).toBe(true);
  });

  it('is locked by one process when it was already migrated and opening writes nothing', () => {
    const dir = tempDir();
    open(dir).close();
    const first = open(dir);
    expect(() => open(dir)).toThrow(/is in use by another emulator/);
    first.close();
    open(dir).close();
  });

  it("is rejected and left unchanged when it is another program's database", () => {
    const dir = tempDir();
    const other = new Database(dbFile(dir));
    other.exec('CREATE TABLE theirs (a)');
    other.close();
    const before = readFileSync(dbFile(dir));
    expect(() => open(dir)).toThrow(/database of another program/);
    expect(readFileSync(dbFile(dir)).equals(before)).toBe(true);
  });

  it('is rejected and left unchanged when it is not a database', () => {
    const dir = tempDir();
    writeFileSync(dbFile(dir), 'this is a letter, not a database. '.repeat(100));
    expect(() => open(dir)).toThrow(/is not an SQLite database/);
    expect(readFileSync(dbFile(dir), 'utf8')).toMatch(/^this is a letter/);
  });

  it('is locked by one process when it was just created', () => {
    const dir = tempDir();
    const first = open(dir);
    expect(() => open(dir)).toThrow(/in use by another emulator/);
    first.close();
    open(dir).close();
  });

  it('is rejected when the data directory, or a parent of it, is a file', () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'file'), '');
    expect(() => open(join(dir, 'file'))).toThrow(/is a file; choose a directory\.$/);
    expect(() => open(join(dir, 'file', 'below'))).toThrow(/file is a file; choose a directory/);
  });

  // Root can write to any directory.
  it.skipIf(process.getuid?.() === 0)('is rejected when the data directory is not writable', () => {
    const dir = join(tempDir(), 'closed');
    mkdirSync(dir);
    chmodSync(dir, 0o500);
    expect(() => open(dir)).toThrow(/you may write to with --data-dir/);
  });

  it('gets only the migrations that it does not have yet', () => {
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

  it.each([1, 2, 3, 4])('is migrated from schema %i to the newest one with all its rows', (version) => {
    const dir = tempDir();
    const migrationsDir = tempDir();
    const migrations = readdirSync(MIGRATIONS_DIR).sort();
    for (const name of migrations.slice(0, version)) {
      copyFileSync(join(MIGRATIONS_DIR, name), join(migrationsDir, name));
    }
    const old = openDb({ dataDir: dir, migrationsDir });
    old.exec(`
      INSERT INTO accounts (id, key, origin, clock_mode, clock_ms, speed, seed, created_at)
        VALUES (7, 'k', 'seed', 'real', 0, 1, 's', 0);
      INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, at) VALUES (7, 1, 'grant', 5, 5, 0);
      INSERT INTO rate_windows (account_id, started_at, count) VALUES (7, 1000, 3)`);
    const { failureRate: _addedBySchema5, ...profile } = buildProfile({ credits: 5 });
    if (version > 1) old.prepare('UPDATE accounts SET profile = ?').run(JSON.stringify(profile));
    old.close();
    const core = createTestCore(createTestClock(2000), dir);
    expect(core.db.pragma('user_version', { simple: true })).toBe(migrations.length);
    expect(core.ledger.balance(7)).toBe(5);
    expect(core.ledger.verify(7)).toEqual([]);
    expect(core.rateLimiter.peek(7, 2000).count).toBe(3);
    expect(core.db.pragma('foreign_key_check')).toEqual([]);
    expect(core.db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(core.accounts.get(7).failureRate).toBe(0);
    const reset = core.resets.reset(7);
    expect(reset).toMatchObject({ key: 'k', balance: 5, failureRate: 0 });
    core.resets.remove(reset.id);
    expect(core.db.prepare('SELECT count(*) FROM rate_windows').pluck().get()).toBe(0);
    core.close();
  });

  it('keeps its schema when a migration fails halfway', () => {
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
