import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { buildOrder, buildProfile, createTestCore, type TestCore } from '../../support/core.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTestClock } from '../../support/test-clock.ts';

const OUT_OF_MEMORY = expect.objectContaining({ code: 'OUT_OF_MEMORY' });
const MIB = 1024 * 1024;

/** A core that keeps 4 MiB of stored data, half of its memory budget: about 60 tasks of `submit`. */
const createSmallCore = (dataDir?: string) => createTestCore(createTestClock(), dataDir, { memoryBudgetMb: 8 });

/** Submits a task of one second with an input of 64 KiB. */
const submit = (core: TestCore, accountId: number, overrides: Parameters<typeof buildOrder>[0] = {}) =>
  core.tasks.submit(accountId, [buildOrder({ seconds: 1, input: { prompt: 'x'.repeat(65_536) }, ...overrides })])[0]!;

/** Submits `count` tasks, one per second, of which each is finished when the next one is submitted. */
async function submitMany(core: TestCore, accountId: number, count: number) {
  const tasks = [];
  for (let n = 0; n < count; n += 1) {
    tasks.push(submit(core, accountId));
    await nextTurn();
    core.clock.advance(1000);
    core.worker.tick();
  }
  return tasks;
}

const countTasks = (core: TestCore, accountId: number) => core.tasks.list(accountId, 1000).length;

/** Submits tasks that hang until another one does not fit. Returns their number. */
function fillWithRunningTasks(core: TestCore, accountId: number): number {
  for (let count = 0; ; count += 1) {
    try {
      submit(core, accountId, { overrides: () => ({ outcome: { status: 'hangs' } }) });
    } catch (error) {
      expect(error).toEqual(OUT_OF_MEMORY);
      return count;
    }
  }
}

describe('stored data in memory', () => {
  // id: storage-evicts-oldest
  it('stays within the memory budget: the oldest finished tasks of all accounts are evicted', async () => {
    const core = createSmallCore();
    const one = core.accounts.create('one', 'seed', buildProfile());
    const other = core.accounts.create('other', 'seed', buildProfile());
    const first = await submitMany(core, one.id, 20);
    core.snapshots.take(one.id, 'kept');
    const running = submit(core, one.id, { seconds: 10_000 });
    const later = await submitMany(core, other.id, 100);
    expect(core.memory.usedBytes.storage).toBeLessThanOrEqual(4 * MIB);
    expect(countTasks(core, other.id)).toBeGreaterThan(20);
    expect(core.tasks.find(other.id, later.at(-1)!.id)).toMatchObject({ status: 'completed' });
    for (const { id } of first) {
      expect(core.tasks.find(one.id, id)).toBeUndefined();
      expect(core.tasks.existsAnywhere(id, 'sora-2')).toBe(false);
      expect(core.timeline.poll(one.id, [id])).toEqual([undefined]);
    }
    expect(core.tasks.list(one.id, 10)).toEqual([running]);
    // Their credits are still accounted for.
    for (const { id } of [one, other]) expect(core.ledger.verify(id)).toEqual([]);
    expect(core.accounts.get(one.id).balance).toBe(1000 - 21 * 4);
    core.snapshots.restore(one.id, 'kept');
    const restored = core.accounts.find('one')!;
    expect(core.ledger.verify(restored.id)).toEqual([]);
    expect(countTasks(core, restored.id)).toBe(0);
    expect(core.accounts.get(restored.id).balance).toBe(1000 - 20 * 4);
    // Numbers of evicted tasks are not assigned again.
    expect(submit(core, restored.id).seq).toBe(21);
  });

  // id: storage-out-of-memory-503
  it('refuses what does not fit, and charges nothing, when all tasks are running', async () => {
    const core = createSmallCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const count = fillWithRunningTasks(core, id);
    expect(count).toBeGreaterThan(30);
    expect(core.accounts.get(id).balance).toBe(1000 - count * 4);
    expect(countTasks(core, id)).toBe(count);
    const fault = { match: { contains: 'x'.repeat(20_000) }, at: 'task', effect: { fail: true } } as const;
    expect(() => core.tasks.submitSynchronous(id, buildOrder({ input: 'x'.repeat(65_536) }))).toThrow(OUT_OF_MEMORY);
    expect(() => core.snapshots.take(id, 'one')).toThrow(OUT_OF_MEMORY);
    expect(() => core.snapshots.fork(id, 'fork')).toThrow(OUT_OF_MEMORY);
    expect(() => core.faults.add(id, fault)).toThrow(OUT_OF_MEMORY);
    expect(() => {
      for (let n = 0; n < 1000; n += 1) core.accounts.create(`made ${n}`, 'control', buildProfile());
    }).toThrow(OUT_OF_MEMORY);
    expect(() => {
      for (let n = 0; n < 1000; n += 1) core.ledger.grant(id, 1, 'x'.repeat(500), 0);
    }).toThrow(OUT_OF_MEMORY);
    // Existing tasks can still be read and ended; new ones then take their memory.
    for (const task of core.tasks.list(id, 2)) core.tasks.complete(id, task.id);
    submit(core, id);
    expect(core.tasks.list(id, 1)[0]!.seq).toBe(3);
    expect(core.ledger.verify(id)).toEqual([]);
    expect(core.memory.usedBytes.storage).toBeLessThanOrEqual(4 * MIB);
  });

  it('refuses a copy that cannot fit beside its original without evicting anything', async () => {
    const core = createSmallCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    await submitMany(core, id, 40);
    expect(() => core.snapshots.take(id, 'one')).toThrow(OUT_OF_MEMORY);
    expect(countTasks(core, id)).toBe(40);
  });

  it('evicts a task that finished after younger ones had been evicted', async () => {
    const core = createSmallCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 10_000 }));
    const slow = submit(core, id, { overrides: () => ({ outcome: { status: 'hangs' } }) });
    await submitMany(core, id, 100);
    core.tasks.complete(id, slow.id);
    expect(core.tasks.find(id, slow.id)).toBeDefined();
    await submitMany(core, id, 400);
    expect(core.tasks.find(id, slow.id)).toBeUndefined();
  });

  it('evicts the least recently used auto-created accounts when no finished task is left', async () => {
    const core = createSmallCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const keys = Array.from({ length: 10 }, (_, n) => `np_test_${n}`);
    for (const key of keys) {
      const account = core.autoAccounts.create(key, buildProfile());
      submit(core, account.id, { overrides: () => ({ outcome: { status: 'hangs' } }) });
    }
    core.autoAccounts.touch(core.accounts.find('np_test_0')!);
    fillWithRunningTasks(core, id);
    // The request of the most recently used account may be in progress.
    expect(keys.filter((key) => core.accounts.find(key))).toEqual(['np_test_0']);
  });

  it('is evicted between the submissions of one event-loop turn', async () => {
    const core = createSmallCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const [first] = await submitMany(core, id, 40);
    const running = Array.from({ length: 40 }, () => submit(core, id, { seconds: 1000 }));
    expect(core.transactions.hasPendingBatch()).toBe(true);
    expect(core.tasks.find(id, first!.id)).toBeUndefined();
    await nextTurn();
    expect(core.tasks.list(id, 100)).toEqual(expect.arrayContaining(running));
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('is not evicted when bodies, responses and listeners need memory', async () => {
    const core = createSmallCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    await submitMany(core, id, 40);
    expect(core.memory.reserve('bodies', 4 * MIB)).toBe(true);
    expect(core.memory.reserve('responses', 1)).toBe(false);
    expect(countTasks(core, id)).toBe(40);
  });

  it('is not evicted inside a transaction, whose rows must not disappear', async () => {
    const core = createSmallCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    await submitMany(core, id, 40);
    core.transactions.exclusive(() => expect(core.memory.reserve('storage', 3.5 * MIB)).toBe(false))();
    expect(countTasks(core, id)).toBe(40);
  });

  it('is counted by its measured size', async () => {
    const core = createSmallCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    await submitMany(core, id, 30);
    const pages = core.db.prepare('SELECT page_count * page_size FROM pragma_page_count, pragma_page_size').pluck();
    const difference = core.memory.usedBytes.storage / (pages.get() as number);
    expect(difference).toBeGreaterThan(0.9);
    expect(difference).toBeLessThan(1.1);
    core.resets.remove(id);
    await nextTurn();
    expect(core.memory.usedBytes.storage).toBeLessThan(0.5 * MIB);
  });

  it('frees the pages of a large database after a reset', async () => {
    const core = createTestCore(createTestClock(), undefined, { memoryBudgetMb: 64 });
    const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 10_000 }));
    for (let n = 0; n < 500; n += 1) submit(core, id);
    await nextTurn();
    const pages = core.db.prepare('SELECT page_count * page_size FROM pragma_page_count, pragma_page_size').pluck();
    expect(pages.get()).toBeGreaterThan(30 * MIB);
    core.resets.resetAll();
    await nextTurn();
    expect(pages.get()).toBeLessThan(MIB);
    submit(core, core.accounts.find('k')!.id);
  });
});

describe('stored data in a data directory', () => {
  it('is not counted and never evicted', async () => {
    const core = createSmallCore(tempDir());
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    await submitMany(core, id, 80);
    core.memory.reserve('bodies', 4 * MIB);
    expect(core.memory.usedBytes.storage).toBe(0);
    expect(countTasks(core, id)).toBe(80);
    core.close();
  });
});
