import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildOrder, buildProfile, createTestCore } from '../../support/core.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTestClock } from '../../support/test-clock.ts';

const open = (autoAccountLimit: number, dataDir?: string) =>
  createTestCore(createTestClock(), dataDir, { autoAccountLimit });
type TestCore = ReturnType<typeof open>;

/** What a request of this key does. */
function request(core: TestCore, key: string) {
  const account = core.accounts.find(key) ?? core.autoAccounts.create(key, buildProfile());
  core.autoAccounts.touch(account);
  return account;
}
const autoAccountKeys = (core: TestCore) =>
  core.accounts
    .list(1000)
    .filter(({ origin }) => origin === 'self')
    .map(({ key }) => key)
    .sort();
const refusal = expect.objectContaining({ code: 'TOO_MANY_ACCOUNTS' });

describe('accounts that make themselves', () => {
  it('let the least recently used one go, with all that is its own', () => {
    const core = open(2);
    const ended: number[] = [];
    core.lifetimes.onEnd((id) => void ended.push(id));
    const [a, b] = [request(core, 'a'), request(core, 'b')];
    core.snapshots.take(b.id, 'kept');
    core.faults.add(b.id, { match: {}, at: 'task', effect: { fail: true } });
    request(core, 'a');
    request(core, 'c');
    expect(autoAccountKeys(core)).toEqual(['a', 'c']);
    expect(ended).toEqual([b.id]);
    expect(core.faults.isEmpty()).toBe(true);
    const rows = core.db.prepare('SELECT count(*) FROM accounts').pluck().get();
    expect(rows).toBe(2);
    expect(core.accounts.find('a')!.id).toBe(a.id);
  });

  // id: only-auto-accounts-evicted
  it('are the only ones that go', () => {
    const core = open(1);
    core.accounts.createMissing([{ key: 'seeded', profile: buildProfile() }]);
    core.accounts.create('made', 'control', buildProfile());
    for (const key of ['a', 'b', 'c']) request(core, key);
    expect(core.accounts.list(10).map(({ key }) => key)).toEqual(['c', 'made', 'seeded']);
  });

  it('stay while their tasks run, however long that is ago, and go when they have ended', () => {
    const core = open(2);
    const a = request(core, 'a');
    const [task] = core.tasks.submit(a.id, [buildOrder()]);
    for (const key of ['b', 'c', 'd']) request(core, key);
    expect(autoAccountKeys(core)).toEqual(['a', 'd']);
    const d = core.accounts.find('d')!;
    const stream = core.tasks.submitSynchronous(d.id, buildOrder());
    expect(() => request(core, 'e')).toThrow(refusal);
    expect(autoAccountKeys(core)).toEqual(['a', 'd']);
    core.tasks.complete(d.id, stream.id);
    request(core, 'e');
    core.tasks.fail(a.id, task!.id, 'GENERATION_FAILED');
    request(core, 'f');
    expect(autoAccountKeys(core)).toEqual(['e', 'f']);
  });

  it('are counted again when they are reset or restored', () => {
    const core = open(2);
    const [a, b] = [request(core, 'a'), request(core, 'b')];
    core.snapshots.take(b.id, 's');
    core.resets.reset(a.id);
    core.snapshots.restore(b.id, 's');
    request(core, 'c');
    expect(autoAccountKeys(core)).toHaveLength(2);
    request(core, 'd');
    expect(autoAccountKeys(core)).toEqual(['c', 'd']);
  });

  it('leave their place when they are removed', () => {
    const core = open(2);
    const [a] = [request(core, 'a'), request(core, 'b')];
    core.resets.remove(a.id);
    request(core, 'c');
    expect(autoAccountKeys(core)).toEqual(['b', 'c']);
    core.resets.resetAll();
    for (const key of ['d', 'e']) request(core, key);
    expect(autoAccountKeys(core)).toEqual(['d', 'e']);
  });

  it('cost a request next to nothing, however many there are and whichever is used', () => {
    const core = open(10_000);
    core.db.exec('BEGIN');
    const all = Array.from({ length: 9000 }, (_, n) => request(core, `k${n}`));
    core.db.exec('COMMIT');
    const startedMs = performance.now();
    for (let n = 0; n < 100_000; n++) core.autoAccounts.touch(all[n % 2]!);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });

  it('are after a restart in the order of their last tasks, and no more than there can be by then', () => {
    const dir = tempDir();
    const before = open(10, dir);
    for (const key of ['a', 'b', 'c', 'd']) request(before, key);
    for (const key of ['c', 'a', 'b']) {
      const { id } = request(before, key);
      before.tasks.complete(id, before.tasks.submit(id, [buildOrder()])[0]!.id);
    }
    before.close();
    const core = open(3, dir);
    request(core, 'e');
    expect(autoAccountKeys(core)).toEqual(['a', 'b', 'e']);
    request(core, 'f');
    expect(autoAccountKeys(core)).toEqual(['b', 'e', 'f']);
    core.close();
  });
});

/** A few lines that do the same with lists. */
class Model {
  order: string[] = [];
  running = new Map<string, string[]>();
  readonly max: number;
  constructor(max: number) {
    this.max = max;
  }
  /** False: there is no room. */
  request(key: string): boolean {
    if (!this.order.includes(key)) {
      const idle = this.order.findIndex((one) => !this.running.get(one)?.length);
      if (this.order.length >= this.max) {
        // Those that were found at work on the way are in use.
        const busy = this.order.splice(0, idle === -1 ? this.order.length : idle);
        this.order.push(...busy);
        if (idle === -1) return false;
        this.order.shift();
      }
    }
    this.order = [...this.order.filter((one) => one !== key), key];
    return true;
  }
}

const key = fc.constantFrom(...'abcdefgh');
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('request' as const), key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('submit' as const), key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), key }) },
);

describe('whatever is asked in whatever order', () => {
  // id: auto-account-lru-eviction
  it('there are never more than the limit, none goes while its tasks run, and the least recently used goes first', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), (max, steps) => {
        const core = open(max);
        const model = new Model(max);
        for (const { do: action, key } of steps) {
          const account = core.accounts.find(key);
          if (action === 'request') {
            if (model.request(key)) request(core, key);
            else expect(() => request(core, key)).toThrow(refusal);
          } else if (account && action === 'submit') {
            const [task] = core.tasks.submit(account.id, [buildOrder()]);
            model.running.set(key, [...(model.running.get(key) ?? []), task!.id]);
          } else if (account && action === 'end') {
            const id = model.running.get(key)?.pop();
            if (id) core.tasks.complete(account.id, id);
          } else if (account && action === 'remove') {
            core.resets.remove(account.id);
            model.order = model.order.filter((one) => one !== key);
            model.running.delete(key);
          }
          expect(autoAccountKeys(core)).toEqual([...model.order].sort());
          expect(model.order.length).toBeLessThanOrEqual(max);
        }
        core.close();
      }),
      { numRuns: 60 },
    );
  });
});
