import { describe, expect, it } from 'vitest';
import {
  buildFaultContext,
  buildOrder,
  buildProfile,
  createTestCore,
  recordChanges,
  type TestCore,
} from '../../support/core.ts';
import { START_MS } from '../../support/test-clock.ts';

const HOUR_MS = 3_600_000;

function createAccount(limits: { snapshotLimit?: number } = {}) {
  const core = createTestCore(undefined, undefined, limits);
  const account = core.accounts.create('k', 'self', buildProfile());
  const submit = (seconds: number) => core.tasks.submit(account.id, [buildOrder({ seconds })])[0]!;
  return { core, id: account.id, submit };
}

/** Everything that a copy of the account must have. */
function readState(core: TestCore, id: number) {
  const { balance, entryCount, taskCount, clockMode, speed, rateLimit, seed } = core.accounts.get(id);
  return {
    ...{ balance, entryCount, taskCount, clockMode, speed, rateLimit, seed, profile: core.accounts.getProfile(id) },
    tasks: core.tasks.list(id, 100).map(({ accountId: _, ...task }) => task),
    rateWindow: core.rateLimiter.peek(id, core.timeline.nowMs(core.accounts.get(id))),
    faults: core.faults.list(id).map(({ id: _, accountId: __, ...fault }) => fault),
    evicted: core.db.prepare('SELECT seq, id FROM evicted_tasks WHERE account_id = ?').all(id),
    problems: core.ledger.verify(id),
  };
}

/** Uses the account in every way that leaves something to copy. */
function useAccount({ core, id, submit }: ReturnType<typeof createAccount>) {
  submit(1);
  core.clock.advance(2000);
  core.timeline.applyDue(id);
  core.tasks.evictOldest();
  submit(10);
  core.rateLimiter.hit(id, core.timeline.nowMs(core.accounts.get(id)));
  core.faults.add(id, { match: {}, at: 'task', effect: { fail: true }, after: 5 });
  core.faults.fire('task', buildFaultContext(id), 'seed');
}

describe('taking a snapshot', () => {
  it('applies what is due, has the time of the account, and is reported', async () => {
    const { core, id, submit } = createAccount();
    const task = submit(10);
    core.clock.advance(11_000);
    const changes = recordChanges(core);
    expect(core.snapshots.take(id, 's')).toEqual({ name: 's', takenAtMs: START_MS + 11_000 });
    expect(core.tasks.find(id, task.id)).toMatchObject({ status: 'completed' });
    await core.transactions.committed();
    expect(changes).toEqual(['k snapshots']);
  });

  it('is limited per account, but can replace one at the limit', () => {
    const { core, id } = createAccount({ snapshotLimit: 2 });
    for (const name of ['b', '1']) core.snapshots.take(id, name);
    expect(() => core.snapshots.take(id, 'c')).toThrow(
      expect.objectContaining({
        code: 'TOO_MANY_SNAPSHOTS',
        message: 'the limit of 2 snapshots per account is reached (--snapshot-limit)',
      }),
    );
    core.clock.advance(1000);
    core.snapshots.take(id, 'b');
    expect(core.snapshots.list(id, 10)).toEqual([
      { name: '1', takenAtMs: START_MS },
      { name: 'b', takenAtMs: START_MS + 1000 },
    ]);
    expect(core.snapshots.list(id, 1)).toMatchObject([{ name: '1' }]);
    expect(core.snapshots.list(id, 1, '1')).toMatchObject([{ name: 'b' }]);
    const other = core.accounts.create('other', 'control', buildProfile());
    core.snapshots.take(other.id, 'c');
    expect(core.snapshots.list(other.id, 10)).toMatchObject([{ name: 'c' }]);
  });

  it('makes a copy for which no time passes', () => {
    const { core, id, submit } = createAccount();
    submit(10);
    core.snapshots.take(id, 's');
    expect(core.accounts.dueAccounts(START_MS + HOUR_MS, 10)).toEqual([id]);
  });
});

describe('restoring a snapshot', () => {
  it('brings back everything under a new id, and keeps all snapshots', async () => {
    const used = createAccount();
    const { core, id, submit } = used;
    useAccount(used);
    const saved = readState(core, id);
    expect(saved).toMatchObject({ tasks: [{ seq: 2 }], faults: [{ matched: 1 }], rateWindow: { count: 1 } });
    expect(saved.evicted).toHaveLength(1);
    for (const name of ['s', 't']) core.snapshots.take(id, name);
    submit(20);
    core.faults.clear(id);
    core.rateLimiter.hit(id, core.timeline.nowMs(core.accounts.get(id)));
    core.clock.advance(HOUR_MS);
    const snapshots = core.snapshots.list(id, 10);

    const changes = recordChanges(core);
    const lifetime = core.lifetimes.signalFor(id);
    const ended: unknown[] = [];
    core.lifetimes.onEnd((...end) => void ended.push(end));
    const restored = core.snapshots.restore(id, 's');
    expect(restored).toMatchObject({ key: 'k', origin: 'self' });
    expect(restored.id).toBeGreaterThan(id);
    expect(readState(core, restored.id)).toEqual(saved);
    expect(core.snapshots.list(restored.id, 10)).toEqual(snapshots);
    expect([core.accounts.find('k')!.id, core.accounts.has(id)]).toEqual([restored.id, false]);
    expect(lifetime.aborted).toBe(true);
    expect(ended).toEqual([[id, restored, true]]);
    await core.transactions.committed();
    expect(changes).toEqual(['k restored']);
    // The same snapshot can be restored again.
    expect(readState(core, core.snapshots.restore(restored.id, 's').id)).toEqual(saved);
  });

  it('continues the time of a real clock and of its running tasks', () => {
    const { core, id, submit } = createAccount();
    const task = submit(10);
    core.clock.advance(4000);
    core.snapshots.take(id, 's');
    core.clock.advance(HOUR_MS);
    const restored = core.snapshots.restore(id, 's');
    expect(core.timeline.nowMs(restored)).toBe(START_MS + 4000);
    expect(restored.wakeAtMs).toBe(core.clock.nowMs() + 6000);
    core.clock.advance(6000);
    core.worker.tick();
    expect(core.tasks.find(restored.id, task.id)).toMatchObject({ finishedAtMs: START_MS + 10_000 });
  });

  it('fails for an unknown name, and changes nothing', () => {
    const { core, id } = createAccount();
    core.snapshots.take(id, 's');
    expect(() => core.snapshots.restore(id, 'other')).toThrow(
      expect.objectContaining({ code: 'SNAPSHOT_NOT_FOUND', message: 'snapshot other of k does not exist' }),
    );
    expect(core.accounts.find('k')!.id).toBe(id);
  });
});

describe('a fork', () => {
  it('has everything but the snapshots, and goes on by itself', async () => {
    const used = createAccount();
    const { core, id } = used;
    useAccount(used);
    core.snapshots.take(id, 's');
    core.clock.advance(10_000);
    const changes = recordChanges(core);
    const fork = core.snapshots.fork(id, 'fork');
    expect(fork).toMatchObject({ key: 'fork', origin: 'control', balance: 992 });
    expect(readState(core, fork.id)).toEqual(readState(core, id));
    // Transitions that were due have been applied before.
    expect(readState(core, fork.id).tasks).toMatchObject([{ status: 'completed' }]);
    expect(core.snapshots.list(fork.id, 10)).toEqual([]);
    await core.transactions.committed();
    expect(changes).toEqual(['fork created']);
    expect(() => core.snapshots.fork(id, 'fork')).toThrow(
      expect.objectContaining({ code: 'ACCOUNT_EXISTS', message: 'an account with the key fork already exists' }),
    );
  });

  it('wakes the worker for its tasks', () => {
    const { core, id, submit } = createAccount();
    const task = submit(10);
    const fork = core.snapshots.fork(id, 'fork');
    expect(fork.wakeAtMs).toBe(START_MS + 10_000);
    core.clock.advance(10_000);
    core.worker.tick();
    expect(core.tasks.find(fork.id, task.id)).toMatchObject({ status: 'completed' });
  });
});

it('a copy fails and refunds synchronous tasks, whose requests it does not have', () => {
  const { core, id } = createAccount();
  const task = core.tasks.submitSynchronous(id, buildOrder());
  const fork = core.snapshots.fork(id, 'fork');
  expect(core.tasks.find(fork.id, task.id)).toMatchObject({ status: 'failed', errorCode: 'INTERNAL_ERROR' });
  expect([fork.balance, core.accounts.get(id).balance]).toEqual([1000, 996]);
  core.snapshots.take(id, 's');
  expect(core.tasks.find(id, task.id)).toMatchObject({ status: 'processing' });
  const restored = core.snapshots.restore(id, 's');
  expect(core.tasks.find(restored.id, task.id)).toMatchObject({ status: 'failed' });
  expect(restored.balance).toBe(1000);
  expect(core.ledger.verify(restored.id)).toEqual([]);
});
