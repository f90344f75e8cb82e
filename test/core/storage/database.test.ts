import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
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
    expect(() => open(dir)).toThrow(/has schema 99, but this version knows schemas up to 7/);
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

  it('compiles a statement on first use, and only once', () => {
    const compile = vi.spyOn(Database.prototype, 'prepare');
    onTestFinished(() => compile.mockRestore());
    const db = open(tempDir());
    const sql = 'SELECT count(*) FROM accounts';
    const compilations = () => compile.mock.calls.filter(([compiled]) => compiled === sql).length;
    const statement = db.prepare(sql).pluck();
    expect(compilations()).toBe(0);
    expect([statement.get(), statement.all(), compilations()]).toEqual([0, [0], 1]);
    db.close();
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

  /** Creates a database file of an earlier schema. */
  function createOld(version: number, rows: string): string {
    const dir = tempDir();
    const migrationsDir = tempDir();
    for (const name of readdirSync(MIGRATIONS_DIR).sort().slice(0, version)) {
      copyFileSync(join(MIGRATIONS_DIR, name), join(migrationsDir, name));
    }
    const old = openDb({ dataDir: dir, migrationsDir });
    old.exec(rows);
    const { failureRate, ...profile } = buildProfile({ credits: 50 });
    const addedBySchema5 = version < 5 ? {} : { failureRate };
    if (version > 1)
      old.prepare('UPDATE accounts SET profile = ?').run(JSON.stringify({ ...profile, ...addedBySchema5 }));
    // Checkpoints the write-ahead log, so that the file holds everything.
    old.close();
    return dir;
  }

  const PLAN = JSON.stringify({
    steps: [{ name: 'generating', atMs: 0 }],
    endMs: 100,
    outcome: { status: 'completed' },
  });
  const toTaskRow = (seq: number, price: number, holdSeq: number | null, end: string) =>
    `(7, ${seq}, 'task_${seq}', 'sora-2', 'worker', ${price}, ${holdSeq}, '{}', '${PLAN}', 0, 0, ${end})`;
  const OLD_ROWS = `
    INSERT INTO accounts (id, key, origin, clock_mode, clock_ms, speed, seed, created_at)
      VALUES (7, 'k', 'seed', 'real', 0, 1, 's', 0);
    INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_id, hold_seq, reason, at) VALUES
      (7, 1, 'grant', 50, 50, NULL, NULL, 'initial credits', 0), (7, 2, 'hold', -1, 49, 'task_1', NULL, NULL, 0),
      (7, 3, 'hold', -2, 47, 'task_2', NULL, NULL, 0), (7, 4, 'hold', -4, 43, 'task_3', NULL, NULL, 0),
      (7, 5, 'capture', 0, 43, 'task_1', 2, NULL, 1), (7, 6, 'refund', 2, 45, 'task_2', 3, 'X', 1);
    INSERT INTO tasks (account_id, seq, id, family, driver, price, hold_seq, input, plan, created_at, started_at, status,
                       finished_at, error_code, due_at) VALUES
      ${toTaskRow(1, 1, 2, "'completed', 1, NULL, NULL")}, ${toTaskRow(2, 2, 3, "'failed', 1, 'X', NULL")},
      ${toTaskRow(3, 4, 4, "'processing', NULL, NULL, 3000")}, ${toTaskRow(4, 0, null, "'completed', 1, NULL, NULL")};
    INSERT INTO rate_windows (account_id, started_at, count) VALUES (7, 1000, 3);`;
  /** Since schema 6, a ledger entry names its task by its number. */
  const toSchema6 = (rows: string) =>
    rows.replace('balance, task_id,', 'balance, task_seq,').replace(/(\d, )'task_(\d)'(, (?:NULL|\d), )/g, '$1$2$3');

  it.each([1, 2, 3, 4, 5, 6])('is migrated from schema %i to the newest one with all its rows', (version) => {
    const clock = createTestClock(2000);
    const core = createTestCore(clock, createOld(version, version < 6 ? OLD_ROWS : toSchema6(OLD_ROWS)));
    expect(core.db.pragma('user_version', { simple: true })).toBe(7);
    expect(core.ledger.entries(7, 10).map(({ kind, amount, taskId }) => [kind, amount, taskId])).toEqual([
      ['grant', 50, null],
      ['hold', -1, 'task_1'],
      ['hold', -2, 'task_2'],
      ['hold', -4, 'task_3'],
      ['capture', 0, 'task_1'],
      ['refund', 2, 'task_2'],
    ]);
    expect(core.accounts.get(7)).toMatchObject({ balance: 45, entryCount: 6, taskCount: 4, failureRate: 0 });
    expect(core.ledger.held(7)).toBe(4);
    expect(core.ledger.verify(7)).toEqual([]);
    expect(core.rateLimiter.peek(7, 2000).count).toBe(3);
    expect(core.db.pragma('foreign_key_check')).toEqual([]);
    expect(core.db.pragma('integrity_check', { simple: true })).toBe('ok');

    clock.advance(1000);
    core.timeline.applyDue(7);
    expect(core.tasks.find(7, 'task_3')?.status).toBe('completed');
    expect(core.ledger.entries(7, 1, 6)).toMatchObject([{ seq: 7, kind: 'capture', balance: 45, taskId: 'task_3' }]);
    const reset = core.resets.reset(7);
    expect(reset).toMatchObject({ key: 'k', balance: 50, failureRate: 0 });
    core.resets.remove(reset.id);
    expect(core.db.prepare('SELECT count(*) FROM rate_windows').pluck().get()).toBe(0);
    core.close();
  });

  it('is rejected and left unchanged when rows of an earlier schema do not match', () => {
    const noTriggers = ['task_ends_once', 'task_ends_with_its_hold_resolved', 'entry_is_never_changed'];
    const bypass = noTriggers.map((name) => `DROP TRIGGER ${name};`).join('');
    const cases: [string, string][] = [
      ["UPDATE ledger_entries SET task_id = 'task_9' WHERE seq = 4", 'each kind of entry has its fields'],
      ['UPDATE ledger_entries SET balance = 44 WHERE seq = 4', 'each ledger entry continues'],
      ['UPDATE ledger_entries SET seq = 7 WHERE seq = 6', 'each ledger entry continues'],
      ['UPDATE tasks SET price = 3 WHERE seq = 3', 'each task matches'],
      ["UPDATE tasks SET status = 'completed', finished_at = 1, due_at = NULL WHERE seq = 3", 'each task matches'],
    ];
    for (const [change, reason] of cases) {
      const dir = createOld(5, `${OLD_ROWS}${bypass}${change}`);
      const before = readFileSync(dbFile(dir));
      const sentence = new RegExp(`has rows that break a rule of this version \\(.*${reason}.*\\); restore a copy or`);
      expect(() => open(dir)).toThrow(SetupError);
      expect(() => open(dir)).toThrow(sentence);
      expect(readFileSync(dbFile(dir)).equals(before)).toBe(true);
    }
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
