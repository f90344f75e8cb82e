import { describe, expect, it } from 'vitest';
import { buildOrder, buildProfile, createTestCore, recordChanges, type TestCore } from '../../support/core.ts';
import { START_MS } from '../../support/test-clock.ts';

const notFound = (id: number) =>
  expect.objectContaining({ code: 'ACCOUNT_NOT_FOUND', message: `account ${id} does not exist` });
const RULE = { match: {}, at: 'task', effect: { fail: true } } as const;

/** Reads the account from the database, whatever is cached. */
function reload(core: TestCore, id: number) {
  core.accounts.invalidate();
  return core.accounts.get(id);
}

describe('an account', () => {
  it('is created with the values of its profile, its credits and rules', async () => {
    const core = createTestCore();
    const changes = recordChanges(core);
    const before = core.memory.usedBytes.storage;
    const profile = buildProfile({ rateLimit: null, speed: 3, failureRate: 0.5, seed: 's', faults: [RULE, RULE] });
    const account = core.accounts.create('k', 'seed', profile);
    expect(core.memory.usedBytes.storage - before).toBe(1000);
    expect(account).toEqual({
      ...{ id: account.id, key: 'k', origin: 'seed', rateLimit: null, clockMode: 'real', clockMs: 0, speed: 3 },
      ...{ failureRate: 0.5, seed: 's', revoked: false, createdAtMs: START_MS, wakeAtMs: null, balance: 1000 },
      ...{ entryCount: 1, taskCount: 0 },
    });
    expect(reload(core, account.id)).toEqual(account);
    expect(core.accounts.getProfile(account.id)).toEqual(profile);
    expect(core.faults.list(account.id)).toMatchObject([RULE, RULE]);
    expect(core.ledger.entries(account.id, 10)).toMatchObject([{ kind: 'grant', reason: 'initial credits' }]);
    await core.transactions.committed();
    expect(changes).toEqual(['k created']);
  });

  it('without credits has an empty ledger', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'control', buildProfile({ credits: 0 }));
    expect(reload(core, id)).toMatchObject({ balance: 0, entryCount: 0 });
  });

  it.each([
    ['real', 5000, 5000],
    ['frozen', 5000, 5000],
    ['auto', undefined, START_MS],
  ] as const)('with a %s clock at %s has that time, and was created then', (mode, nowMs, expectedMs) => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'control', buildProfile({ clock: { mode, nowMs } }));
    expect([core.timeline.nowMs(account), account.createdAtMs]).toEqual([expectedMs, expectedMs]);
    core.clock.advance(1000);
    expect(core.timeline.nowMs(account)).toBe(expectedMs + (mode === 'real' ? 1000 : 0));
  });

  it('changes only the given settings, also as stored', async () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'control', buildProfile());
    const changes = recordChanges(core);
    const before = core.accounts.get(id);
    core.accounts.change(id, { rateLimit: 7 });
    core.accounts.change(id, { failureRate: 0.25, seed: 'other' });
    core.accounts.change(id, { revoked: true });
    core.accounts.setSpeed(id, 4);
    core.accounts.setClock(id, 'frozen', 9000);
    const changed = { rateLimit: 7, failureRate: 0.25, seed: 'other', revoked: true, speed: 4 };
    const expected = { ...before, ...changed, clockMode: 'frozen', clockMs: 9000 };
    expect(core.accounts.get(id)).toEqual(expected);
    expect(reload(core, id)).toEqual(expected);
    expect(before).toMatchObject({ rateLimit: 100, revoked: false });
    await core.transactions.committed();
    expect(changes).toEqual(['k changed', 'k changed', 'k changed']);
    expect(() => core.accounts.change(99, { rateLimit: 1 })).toThrow(notFound(99));
  });

  it('has the numbers of its entries and tasks, also of evicted ones, as cached and as stored', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'control', buildProfile());
    core.tasks.submit(id, [buildOrder({ seconds: 1 })]);
    expect(core.accounts.get(id)).toMatchObject({ balance: 996, entryCount: 2, taskCount: 1 });
    expect(reload(core, id)).toMatchObject({ balance: 996, entryCount: 2, taskCount: 1 });
    core.timeline.advance(id, 0);
    core.clock.advance(1000);
    core.timeline.applyDue(id);
    expect(core.tasks.evictOldest()).toBe(true);
    expect(reload(core, id)).toMatchObject({ balance: 996, entryCount: 3, taskCount: 1 });
  });

  it('is removed with its data and snapshots', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'control', buildProfile({ faults: [RULE] }));
    core.tasks.submit(id, [buildOrder()]);
    core.snapshots.take(id, 's');
    core.accounts.remove(id);
    expect([core.accounts.find('k'), core.accounts.has(id), core.accounts.findKey(id)]).toEqual([
      undefined,
      false,
      undefined,
    ]);
    expect(() => core.accounts.get(id)).toThrow(notFound(id));
    for (const table of ['accounts', 'ledger_entries', 'tasks', 'faults']) {
      expect(core.db.prepare(`SELECT count(*) FROM ${table}`).pluck().get()).toBe(0);
    }
  });
});

describe('accounts', () => {
  it('are counted, listed by key and found without their snapshots', () => {
    const core = createTestCore();
    const [b, a, c] = ['b', '1', 'c'].map((key) => core.accounts.create(key, 'control', buildProfile()));
    core.snapshots.take(a!.id, 's');
    const snapshot = core.db.prepare('SELECT id, key FROM accounts WHERE snapshot_of IS NOT NULL').get() as typeof a;
    const keys = (...params: Parameters<typeof core.accounts.list>) =>
      core.accounts.list(...params).map(({ key }) => key);
    expect([keys(10), keys(2), keys(2, '1'), keys(9, 'c')]).toEqual([['1', 'b', 'c'], ['1', 'b'], ['b', 'c'], []]);
    expect(core.accounts.list(1)).toEqual([core.accounts.get(a!.id)]);
    expect(core.accounts.count()).toBe(3);
    expect(core.accounts.all().map(({ id }) => id)).toEqual([b, a, c].map((account) => account!.id));
    expect(core.accounts.find(snapshot!.key)).toBeUndefined();
    // Before and after the snapshot is cached.
    expect(core.accounts.findKey(snapshot!.id)).toBeUndefined();
    expect(core.accounts.get(snapshot!.id).key).toBe(snapshot!.key);
    expect(core.accounts.findKey(snapshot!.id)).toBeUndefined();
    core.accounts.invalidate();
    expect([core.accounts.findKey(c!.id), core.accounts.find('c')!.id, core.accounts.findKey(c!.id)]).toEqual([
      'c',
      c!.id,
      'c',
    ]);
  });

  it('from a seed file are created only if they do not exist', () => {
    const core = createTestCore();
    const existing = core.accounts.create('a', 'control', buildProfile({ credits: 1 }));
    core.accounts.createMissing(['a', 'b'].map((key) => ({ key, profile: buildProfile({ credits: 5 }) })));
    expect(core.accounts.find('a')).toEqual(existing);
    expect(core.accounts.find('b')).toMatchObject({ origin: 'seed', balance: 5 });
  });

  it('are due by their wake time, longest overdue first', () => {
    const core = createTestCore();
    const ids = ['a', 'b', 'c'].map((key) => core.accounts.create(key, 'control', buildProfile()).id);
    for (const [index, wakeAtMs] of [300, 100, 200].entries()) core.accounts.setWake(ids[index]!, wakeAtMs);
    const [a, b, c] = ids;
    expect(core.accounts.get(c!).wakeAtMs).toBe(200);
    expect(reload(core, c!).wakeAtMs).toBe(200);
    expect([core.accounts.dueAccounts(200, 10), core.accounts.dueAccounts(300, 10)]).toEqual([
      [b, c],
      [b, c, a],
    ]);
    expect(core.accounts.dueAccounts(300, 1)).toEqual([b]);
  });

  it('are as before after a rollback', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'control', buildProfile());
    const before = core.accounts.get(id);
    const change = core.transactions.exclusive(() => {
      core.accounts.change(id, { rateLimit: 1 });
      expect(core.accounts.get(id).rateLimit).toBe(1);
      throw new Error('rolled back');
    });
    expect(change).toThrow('rolled back');
    expect(core.accounts.get(id)).toEqual(before);
    expect(core.accounts.find('k')).toEqual(before);
  });
});
