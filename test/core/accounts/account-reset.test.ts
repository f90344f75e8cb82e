import { expect, it } from 'vitest';
import { createResets } from '../../../src/core/accounts/account-reset.ts';
import { buildOrder, buildProfile, createTestCore, recordChanges, type TestCore } from '../../support/core.ts';

it('a global reset handles more accounts than a function call can have arguments', () => {
  const accounts = Array.from({ length: 300_000 }, (_, index) => ({ id: index + 1, origin: 'self' }));
  const ended: number[] = [];
  const nothing = () => {};
  const resets = createResets(
    ...([
      {
        transactions: { exclusive: (run: unknown) => run },
        events: { emit: nothing },
        storage: { measureAtTurnEnd: nothing },
      },
      { all: () => accounts, get: () => ({ id: 0 }), remove: nothing },
      { clear: nothing },
      { end: (id: number) => ended.push(id) },
    ] as unknown as Parameters<typeof createResets>),
  );
  resets.resetAll();
  expect(ended).toHaveLength(accounts.length);
});

const RULE = { match: {}, at: 'task', effect: { fail: true } } as const;

/** Records the reported changes of accounts, and the ends of lifetimes with the id of the successor. */
function record(core: TestCore) {
  const changes = recordChanges(core);
  const ends: unknown[] = [];
  core.lifetimes.onEnd((id, successor, keepsHistory) => void ends.push([id, successor?.id, keepsHistory]));
  return { changes, ends };
}

it('a reset returns an account to its initial state under a new id, and cancels work in progress', async () => {
  const core = createTestCore();
  const account = core.accounts.create('k', 'seed', buildProfile({ credits: 8, faults: [RULE] }));
  core.tasks.submit(account.id, [buildOrder()]);
  core.accounts.change(account.id, { rateLimit: 1, revoked: true });
  core.faults.clear(account.id);
  core.snapshots.take(account.id, 's');
  const lifetime = core.lifetimes.signalFor(account.id);
  expect(core.lifetimes.signalFor(account.id)).toBe(lifetime);
  const { changes, ends } = record(core);
  const reset = core.resets.reset(account.id);
  expect(reset).toEqual({ ...account, id: reset.id });
  expect(reset.id).toBeGreaterThan(account.id);
  expect(core.faults.list(reset.id)).toMatchObject([RULE]);
  expect(core.snapshots.list(reset.id, 1)).toEqual([]);
  expect(lifetime.aborted).toBe(true);
  expect(core.lifetimes.signalFor(reset.id).aborted).toBe(false);
  expect(ends).toEqual([[account.id, reset.id, false]]);
  await core.transactions.committed();
  expect(changes).toEqual(['k reset']);
  expect(() => core.resets.reset(account.id)).toThrow(expect.objectContaining({ code: 'ACCOUNT_NOT_FOUND' }));
});

it('a removal is reported with the key, and ends the account without a successor', async () => {
  const core = createTestCore();
  const { id } = core.accounts.create('k', 'control', buildProfile());
  const { changes, ends } = record(core);
  core.resets.remove(id);
  expect([core.accounts.count(), ends]).toEqual([0, [[id, undefined, false]]]);
  await core.transactions.committed();
  expect(changes).toEqual(['k removed']);
  expect(() => core.resets.remove(id)).toThrow(expect.objectContaining({ code: 'ACCOUNT_NOT_FOUND' }));
});

it('a global reset removes auto-created accounts and global rules, and resets all others in one transaction', async () => {
  const core = createTestCore();
  const seeded = core.accounts.create('seeded', 'seed', buildProfile());
  const made = core.accounts.create('made', 'control', buildProfile());
  const own = core.accounts.create('own', 'self', buildProfile());
  for (const { id } of [seeded, made]) core.tasks.submit(id, [buildOrder()]);
  core.faults.add(null, RULE);
  await core.transactions.committed();
  const { changes, ends } = record(core);
  const fail = () => {
    throw new Error('rolled back');
  };
  expect(() => core.resets.resetAll(fail)).toThrow('rolled back');
  expect([core.accounts.get(made.id).balance, core.accounts.count(), ends]).toEqual([996, 3, []]);
  core.resets.resetAll();
  expect(core.accounts.list(10).map(({ key, balance }) => [key, balance])).toEqual([
    ['made', 1000],
    ['seeded', 1000],
  ]);
  expect(core.faults.list(null)).toEqual([]);
  expect(ends).toEqual([seeded, made, own].map(({ id }) => [id, undefined, false]));
  await core.transactions.committed();
  expect(changes).toEqual(['seeded reset', 'made reset', 'own removed', 'null faults']);
});
