import { cpSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { openDb, wasLeftOpen } from '../../src/core/storage/database.ts';
import { readLastRecordedMs } from '../../src/core/time/time-record.ts';
import { MIGRATIONS_DIR } from '../../src/paths.ts';
import { buildOrder, buildProfile, createTestCore } from '../support/core.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTestClock } from '../support/test-clock.ts';

describe('restart', () => {
  it('applies transitions that fell due while the process was down, with the time at which they were due', () => {
    const dir = tempDir();
    const clock = createTestClock();
    const before = createTestCore(clock, dir);
    const { id } = before.accounts.create('k', 'seed', buildProfile());
    const tasks = before.tasks.submit(id, [buildOrder({ seconds: 60 }), buildOrder({ seconds: 60 })], {
      chained: true,
    });
    before.close();

    clock.advance(90_000);
    const after = createTestCore(clock, dir);
    after.worker.start(() => expect.unreachable());
    const [first, second] = after.tasks.list(id, 10);
    expect(first).toMatchObject({ status: 'completed', finishedAtMs: tasks[0]!.createdAtMs + 60_000 });
    expect(second).toMatchObject({ status: 'processing', startedAtMs: tasks[0]!.createdAtMs + 60_000 });
    expect(after.ledger.verify(id)).toEqual([]);
    after.close();
  });

  it('refunds an interrupted synchronous task exactly once', () => {
    const dir = tempDir();
    const clock = createTestClock();
    const before = createTestCore(clock, dir);
    const { id } = before.accounts.create('k', 'seed', buildProfile({ credits: 10 }));
    const stream = before.tasks.submitSynchronous(id, buildOrder({ price: 2 }));
    expect(before.accounts.get(id).balance).toBe(8);
    before.close();

    for (const _restart of [1, 2]) {
      const after = createTestCore(clock, dir);
      expect(after.tasks.find(id, stream.id)).toMatchObject({
        status: 'failed',
        errorCode: 'INTERNAL_ERROR',
      });
      expect(after.accounts.get(id).balance).toBe(10);
      expect(after.ledger.entries(id, 10).map(({ kind }) => kind)).toEqual(['grant', 'hold', 'refund']);
      after.close();
    }
  });

  it('continues from the last recorded time when the system clock was set back meanwhile', () => {
    const dir = tempDir();
    const clock = createTestClock();
    const before = createTestCore(clock, dir);
    const { id } = before.accounts.create('k', 'seed', buildProfile());
    before.accounts.create('far', 'seed', buildProfile({ clock: { mode: 'real', nowMs: 4e12 } }));
    before.accounts.create('frozen', 'seed', buildProfile({ clock: { mode: 'frozen', nowMs: 5e12 } }));
    before.tasks.submit(id, [buildOrder({ seconds: 10 })]);
    clock.advance(20_000);
    before.worker.tick();
    before.tasks.submit(id, [buildOrder({ seconds: 60 })]);
    const endedMs = before.tasks.list(id, 1)[0]!.finishedAtMs!;
    const latestMs = clock.nowMs();
    expect(before.behindMs).toBe(0);
    before.close();

    const earlier = createTestClock(latestMs - 3_600_000);
    const after = createTestCore(earlier, dir);
    expect(after.behindMs).toBe(3_600_000);
    expect(after.timeline.nowMs(after.accounts.get(id))).toBe(latestMs);
    expect(after.tasks.list(id, 1)[0]).toMatchObject({ status: 'completed', finishedAtMs: endedMs });
    earlier.advance(60_000);
    after.worker.tick();
    expect(after.tasks.list(id, 2)[1]).toMatchObject({
      status: 'completed',
      finishedAtMs: latestMs + 60_000,
    });
    after.close();
  });

  it.each([
    ['stopped', 30_000],
    ['killed', 29_000],
  ])('continues from the last recorded time when nothing was paid for before it was %s', (end, recordedMs) => {
    const dir = tempDir();
    const clock = createTestClock();
    const before = createTestCore(clock, dir);
    const { id } = before.accounts.create('k', 'seed', buildProfile({ credits: 0 }));
    const createdMs = clock.nowMs();
    before.worker.start(() => expect.unreachable());
    clock.advance(28_500);
    before.tasks.submit(id, [buildOrder({ price: 0, seconds: 1 })]);
    clock.advance(1500);
    if (end === 'stopped') before.close();
    // A killed process does not run core.close().
    else before.db.close();
    const after = createTestCore(createTestClock(createdMs - 3_600_000), dir);
    expect(after.clock.nowMs()).toBeGreaterThanOrEqual(createdMs + recordedMs);
    after.close();
  });

  it.each([
    ['killed', true],
    ['closed', false],
  ])('reads the ledgers for the latest time only if the last process was killed: %s', (end, wasKilled) => {
    const dir = tempDir();
    const clock = createTestClock();
    const before = createTestCore(clock, dir);
    const { id } = before.accounts.create('k', 'seed', buildProfile());
    before.worker.start(() => expect.unreachable());
    clock.advance(5999);
    before.tasks.submit(id, [buildOrder()]);
    // The copies are what a killed process would have left.
    const copy = tempDir();
    before.transactions.flush();
    if (end === 'closed') before.close();
    cpSync(dir, copy, { recursive: true });
    before.close();

    expect(wasLeftOpen(copy)).toBe(wasKilled);
    const db = openDb({ dataDir: copy, migrationsDir: MIGRATIONS_DIR });
    const prepare = vi.spyOn(db, 'prepare');
    expect(readLastRecordedMs(db, wasKilled)).toBe(clock.nowMs());
    expect(prepare.mock.calls.some(([sql]) => sql.includes('ledger_entries'))).toBe(wasKilled);
    db.close();
  });

  it('records the time while nothing else is written, at least once per minute', () => {
    const dir = tempDir();
    const clock = createTestClock();
    const before = createTestCore(clock, dir);
    before.worker.start(() => expect.unreachable());
    clock.advance(600_000);
    before.worker.stop();
    before.db.close();
    const after = createTestCore(createTestClock(0), dir);
    expect(clock.nowMs() - after.clock.nowMs()).toBeLessThanOrEqual(60_000);
    after.close();
  });
});

describe('worker', () => {
  it('does not end a synchronous task', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const stream = core.tasks.submitSynchronous(id, buildOrder({ price: 2, seconds: 1 }));
    core.clock.advance(1_000_000);
    expect(core.worker.tick()).toBe(0);
    expect(core.tasks.find(id, stream.id)!.status).toBe('processing');
  });

  it('repeats its tick until it is stopped', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    core.worker.start(() => expect.unreachable());
    core.tasks.submit(id, [buildOrder({ seconds: 10 })]);
    core.clock.advance(10_050);
    expect(core.tasks.list(id, 1)[0]!.status).toBe('completed');
    core.worker.stop();
    core.tasks.submit(id, [buildOrder({ seconds: 10 })]);
    core.clock.advance(20_000);
    expect(core.tasks.list(id, 2)[1]!.status).toBe('processing');
    core.worker.start(() => expect.unreachable());
    expect(core.tasks.list(id, 2)[1]!.status).toBe('completed');
  });

  it('starts only once', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    for (let n = 0; n < 2; n++) core.worker.start(() => expect.unreachable());
    core.worker.stop();
    core.tasks.submit(id, [buildOrder({ seconds: 10 })]);
    core.clock.advance(20_000);
    expect(core.tasks.list(id, 1)[0]!.status).toBe('processing');
  });

  it('pauses for a second when the database rejects every write', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    core.tasks.submit(id, [buildOrder({ seconds: 10 })]);
    core.db.exec(`CREATE TRIGGER full_tasks BEFORE UPDATE ON tasks BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;
      CREATE TRIGGER full_accounts BEFORE UPDATE ON accounts BEGIN SELECT RAISE(ABORT, 'no postponement'); END`);
    const errors: unknown[] = [];
    core.worker.start((error) => errors.push(error));
    core.clock.advance(10_950);
    expect(errors).toEqual([expect.objectContaining({ message: 'the disk is full' })]);
    core.clock.advance(50);
    expect(errors).toHaveLength(2);
    core.db.exec('DROP TRIGGER full_tasks; DROP TRIGGER full_accounts');
    core.clock.advance(1000);
    expect(core.tasks.list(id, 1)[0]!.status).toBe('completed');
    core.worker.stop();
  });

  it('processes many due accounts in one tick, and reports a failed tick to its error handler', () => {
    const core = createTestCore();
    for (let n = 0; n < 450; n++) {
      const { id } = core.accounts.create(`k${n}`, 'seed', buildProfile());
      core.tasks.submit(id, [buildOrder({ seconds: 1 })]);
    }
    core.clock.advance(1000);
    expect(core.worker.tick()).toBe(450);

    const errors: unknown[] = [];
    core.worker.start((error) => errors.push(error));
    core.db.close();
    core.clock.advance(50);
    expect(errors).toHaveLength(1);
    core.worker.stop();
  });
});

describe('an account whose transitions fail', () => {
  it('is reported, retried later, and does not delay other accounts', () => {
    const core = createTestCore();
    const bad = core.accounts.create('bad', 'seed', buildProfile());
    const good = core.accounts.create('good', 'seed', buildProfile());
    core.tasks.submit(bad.id, [buildOrder({ seconds: 1 })]);
    core.tasks.submit(good.id, [buildOrder({ seconds: 2 })]);
    core.db.exec(`CREATE TRIGGER broken BEFORE INSERT ON ledger_entries WHEN NEW.account_id = ${bad.id}
                  BEGIN SELECT RAISE(ABORT, 'broken'); END`);
    const errors: unknown[] = [];
    core.worker.start((error) => errors.push(error));
    core.clock.advance(5000);
    expect(core.tasks.list(good.id, 1)[0]!.status).toBe('completed');
    expect(errors.length).toBeGreaterThan(1);
    expect(errors.length).toBeLessThan(6);
    for (const error of errors) expect(error).toMatchObject({ message: 'broken' });
    core.db.exec('DROP TRIGGER broken');
    core.clock.advance(2000);
    expect(core.tasks.list(bad.id, 1)[0]!.status).toBe('completed');
    core.close();
  });
});

describe('closing the core', () => {
  it('stops the worker', () => {
    const core = createTestCore();
    const errors: unknown[] = [];
    core.worker.start((error) => errors.push(error));
    core.close();
    core.clock.advance(1000);
    expect(errors).toEqual([]);
  });
});

describe('determinism', () => {
  it('gives the same task ids and durations for the same seed, key and submissions', () => {
    const run = (seed: string, key: string) => {
      const core = createTestCore();
      const { id } = core.accounts.create(key, 'seed', buildProfile({ seed }));
      const template = { typicalSeconds: [60, 180] as const, steps: [{ name: 'generating', share: 1 }] };
      core.tasks.submit(
        id,
        Array.from({ length: 20 }, () => buildOrder({ template })),
      );
      return core.tasks.list(id, 100).map((task) => ({ id: task.id, endMs: task.plan.endMs }));
    };
    expect(run('one', 'a')).toEqual(run('one', 'a'));
    const durations = (seed: string, key: string) => run(seed, key).map(({ endMs }) => endMs);
    // Tests with a key of their own get the same durations; only the ids differ.
    expect(durations('one', 'a')).toEqual(durations('one', 'b'));
    expect(durations('one', 'a')).not.toEqual(durations('two', 'a'));
    const ids = [...run('one', 'a'), ...run('one', 'b')].map((task) => task.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('keeps the ids and durations of earlier versions', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const template = { typicalSeconds: [60, 180] as const, steps: [{ name: 'generating', share: 1 }] };
    const tasks = core.tasks.submit(id, [buildOrder({ template }), buildOrder({ template })]);
    expect(tasks.map((task) => [task.id, task.plan.endMs])).toEqual([
      ['task_65f4040000001861832727b5', 151_000],
      ['task_65f4040000002fd8dc1caff2', 110_000],
    ]);
  });

  it('draws durations in whole seconds over the whole typical range', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 10_000 }));
    const template = { typicalSeconds: [60, 64] as const, steps: [{ name: 'generating', share: 1 }] };
    core.tasks.submit(
      id,
      Array.from({ length: 200 }, () => buildOrder({ template })),
    );
    const drawn = new Set(core.tasks.list(id, 1000).map(({ plan }) => plan.endMs));
    expect([...drawn].sort()).toEqual([60_000, 61_000, 62_000, 63_000, 64_000]);
  });
});
