import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildOrder, buildProfile, createTestCore } from '../../support/core.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTestClock } from '../../support/test-clock.ts';

const open = (autoAccountLimit: number, dataDir?: string) =>
  createTestCore(createTestClock(), dataDir, { autoAccountLimit });
type TestCore = ReturnType<typeof open>;

/** Does what a request with this key does to the accounts. */
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
const refusal = expect.objectContaining({
  code: 'TOO_MANY_ACCOUNTS',
  message: expect.stringMatching(
    /^the limit of \d+ auto-created accounts .* have running tasks \(--auto-account-limit\)$/,
  ),
});

describe('auto-created accounts', () => {
  it('evict the least recently used account with all its data at the limit', () => {
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
  it('are the only accounts that are evicted', () => {
    const core = open(1);
    core.accounts.createMissing([{ key: 'seeded', profile: buildProfile() }]);
    core.accounts.create('made', 'control', buildProfile());
    for (const key of ['seeded', 'a', 'made', 'b', 'c']) request(core, key);
    expect(core.accounts.list(10).map(({ key }) => key)).toEqual(['c', 'made', 'seeded']);
  });

  it('are not evicted while they have running tasks, and are evicted once these have ended', () => {
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

  // id: hanging-tasks-do-not-lock-out
  it.each([
    ['hangs', { status: 'hangs' } as const, {}, {}],
    ['takes longer than an hour', undefined, { durationMs: 3_700_000 }, {}],
    ['waits for a frozen clock', undefined, {}, { clock: { mode: 'frozen' } } as const],
    ['waits for polls on an auto clock', undefined, {}, { clock: { mode: 'auto' } } as const],
  ])('are evicted although a task of theirs %s', (_case, outcome, duration, profile) => {
    const core = open(2);
    const overrides = () => ({ ...(outcome && { outcome }), ...duration });
    const submitters = ['a', 'b'].map((key) => core.autoAccounts.create(key, buildProfile(profile)));
    for (const { id } of submitters) {
      core.tasks.submit(id, [buildOrder({ overrides }), buildOrder()], { chained: true });
      core.clock.advance(1000);
    }
    request(core, 'c');
    expect(autoAccountKeys(core)).toEqual(['b', 'c']);
    const stream = core.tasks.submitSynchronous(submitters[1]!.id, buildOrder({ overrides }));
    const lifetime = core.lifetimes.signalFor(submitters[1]!.id);
    if (stream.plan.outcome.status !== 'hangs') core.tasks.complete(submitters[1]!.id, stream.id);
    request(core, 'd');
    expect(autoAccountKeys(core)).toEqual(['c', 'd']);
    expect(lifetime.aborted).toBe(true);
  });

  it.each([
    [1, ['b']],
    [2, ['a']],
  ])('are protected by a synchronous task only if it ends within an hour, at a speed of %i', (speed, keys) => {
    const core = open(1);
    const { id } = core.autoAccounts.create('a', buildProfile({ speed }));
    core.tasks.submitSynchronous(id, buildOrder({ overrides: () => ({ durationMs: 3_700_000 }) }));
    if (speed > 1) expect(() => request(core, 'b')).toThrow(refusal);
    else request(core, 'b');
    expect(autoAccountKeys(core)).toEqual(keys);
  });

  it('are evicted one by one on request, except for the most recently used one and those with running tasks', () => {
    const core = open(10);
    for (const key of ['a', 'b', 'c']) request(core, key);
    core.tasks.submit(core.accounts.find('b')!.id, [buildOrder()]);
    expect([core.autoAccounts.evictOldest(), autoAccountKeys(core)]).toEqual([true, ['b', 'c']]);
    // The scan marks the account with a running task as used.
    expect([core.autoAccounts.evictOldest(), autoAccountKeys(core)]).toEqual([false, ['b', 'c']]);
    expect([core.autoAccounts.evictOldest(), autoAccountKeys(core)]).toEqual([true, ['b']]);
    core.tasks.complete(core.accounts.find('b')!.id, core.tasks.list(core.accounts.find('b')!.id, 1)[0]!.id);
    expect([core.autoAccounts.evictOldest(), autoAccountKeys(core)]).toEqual([false, ['b']]);
  });

  it('count towards the limit after a reset or restore', () => {
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

  it('no longer count towards the limit after their removal', () => {
    const core = open(2);
    const [a] = [request(core, 'a'), request(core, 'b')];
    core.resets.remove(a.id);
    request(core, 'c');
    expect(autoAccountKeys(core)).toEqual(['b', 'c']);
    core.resets.resetAll();
    for (const key of ['d', 'e']) request(core, key);
    expect(autoAccountKeys(core)).toEqual(['d', 'e']);
  });

  it('cost a request next to nothing, regardless of their number and order of use', () => {
    const core = open(10_000);
    core.db.exec('BEGIN');
    const all = Array.from({ length: 9000 }, (_, n) => request(core, `k${n}`));
    core.db.exec('COMMIT');
    const startedMs = performance.now();
    for (let n = 0; n < 100_000; n++) core.autoAccounts.touch(all[n % 2]!);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });

  it('are ordered by their last tasks after a restart, and evicted down to a lower limit', () => {
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

/** A reference implementation with arrays. */
class Model {
  order: string[] = [];
  running = new Map<string, string[]>();
  readonly max: number;
  constructor(max: number) {
    this.max = max;
  }
  /** Returns false when the limit is reached and no account can be evicted. */
  request(key: string): boolean {
    if (!this.order.includes(key)) {
      const idle = this.order.findIndex((one) => !this.running.get(one)?.length);
      if (this.order.length >= this.max) {
        // Accounts with running tasks that were scanned on the way count as used.
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

describe('auto-created accounts under random requests', () => {
  // id: auto-account-lru-eviction
  it('stay within the limit; the least recently used account without running tasks is evicted first', () => {
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
