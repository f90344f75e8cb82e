import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CoreEvent } from '../../../src/core/events.ts';
import { buildOrder, buildProfile, createTestCore, type TestCore } from '../../support/core.ts';

/** Makes COMMIT fail after a ledger entry of this amount, with a foreign key that is only checked at the commit. */
const failCommitsWith = (core: TestCore, amount: number) =>
  core.db.exec(`
    CREATE TABLE promises (entry INTEGER REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER broken AFTER INSERT ON ledger_entries WHEN NEW.amount = ${amount}
    BEGIN INSERT INTO promises (entry) VALUES (-1); END`);

const waitForCommit = (core: TestCore) => new Promise<unknown>((resolve) => core.transactions.afterCommit(resolve));

const createAccount = (core: TestCore) => core.accounts.create('k', 'seed', buildProfile({ credits: 100 }));

describe('group commit', () => {
  it('commits the submissions of one event-loop turn together at its end', async () => {
    const core = createTestCore();
    const { id } = createAccount(core);
    core.tasks.submit(id, [buildOrder({ price: 1 })]);
    core.tasks.submit(id, [buildOrder({ price: 2 })]);
    expect([core.db.inTransaction, core.transactions.hasPendingBatch()]).toEqual([true, true]);
    await nextTurn();
    expect([core.db.inTransaction, core.transactions.hasPendingBatch()]).toEqual([false, false]);
    expect(core.tasks.list(id, 10)).toHaveLength(2);
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('happens before an exclusive transaction starts', () => {
    const core = createTestCore();
    const { id } = createAccount(core);
    core.tasks.submit(id, [buildOrder()]);
    core.accounts.create('other', 'seed', buildProfile());
    expect(core.db.inTransaction).toBe(false);
  });

  it('happens before the database is closed', () => {
    const core = createTestCore();
    core.tasks.submit(createAccount(core).id, [buildOrder()]);
    let result: unknown = 'nothing';
    core.transactions.afterCommit((failure) => {
      result = failure;
    });
    core.close();
    return nextTurn().then(() => expect(result).toBeNull());
  });

  it('rolls back only the submission that fails', async () => {
    const core = createTestCore();
    const { id } = createAccount(core);
    core.db.exec(`CREATE TRIGGER unlucky BEFORE INSERT ON tasks WHEN NEW.price = 13
                  BEGIN SELECT RAISE(ABORT, 'unlucky'); END`);
    core.tasks.submit(id, [buildOrder({ price: 1 })]);
    expect(() => core.tasks.submit(id, [buildOrder({ price: 2 }), buildOrder({ price: 13 })])).toThrow('unlucky');
    core.tasks.submit(id, [buildOrder({ price: 3 })]);
    expect(await waitForCommit(core)).toBeNull();
    expect(core.tasks.list(id, 10).map(({ seq, price }) => [seq, price])).toEqual([
      [1, 1],
      [2, 3],
    ]);
    expect(core.accounts.get(id)).toMatchObject({ balance: 96, taskCount: 2 });
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('rolls back all its submissions when the commit fails, and passes the error to the waiters', async () => {
    const core = createTestCore();
    const { id } = createAccount(core);
    failCommitsWith(core, -13);
    const tasks = [1, 13].flatMap((price) => core.tasks.submit(id, [buildOrder({ price })]));
    expect(await waitForCommit(core)).toMatchObject({ code: 'SQLITE_CONSTRAINT_FOREIGNKEY' });
    expect(tasks.map((task) => core.tasks.find(id, task.id))).toEqual([undefined, undefined]);
    expect(core.accounts.get(id)).toMatchObject({ balance: 100, taskCount: 0, wakeAtMs: null });
    core.tasks.submit(id, [buildOrder({ price: 5 })]);
    expect(await waitForCommit(core)).toBeNull();
    expect(core.accounts.get(id).balance).toBe(95);
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('rolls back all earlier submissions when SQLite rolls the transaction back on its own', async () => {
    const core = createTestCore();
    const { id } = createAccount(core);
    core.db.exec(`CREATE TRIGGER full BEFORE INSERT ON tasks WHEN NEW.price = 13
                  BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END`);
    core.tasks.submit(id, [buildOrder({ price: 1 })]);
    const before = waitForCommit(core);
    expect(() => core.tasks.submit(id, [buildOrder({ price: 13 })])).toThrow('the disk is full');
    core.tasks.submit(id, [buildOrder({ price: 3 })]);
    const after = waitForCommit(core);
    expect(await before).toBeInstanceOf(Error);
    expect(await after).toBeNull();
    expect(core.tasks.list(id, 10).map(({ price }) => price)).toEqual([3]);
    expect(core.accounts.get(id)).toMatchObject({ balance: 97, taskCount: 1 });
  });

  it('publishes events after the commit, and none after a rollback', async () => {
    const core = createTestCore();
    const { id } = createAccount(core);
    failCommitsWith(core, -13);
    const eventTypes: CoreEvent['type'][] = [];
    core.events.listen(({ type }) => eventTypes.push(type));
    core.tasks.submit(id, [buildOrder({ price: 13 })]);
    await waitForCommit(core);
    await nextTurn();
    expect(eventTypes).toEqual([]);
    core.tasks.submit(id, [buildOrder({ price: 5 })]);
    await Promise.resolve();
    expect(eventTypes).toEqual([]);
    await nextTurn();
    expect(eventTypes).toEqual(['ledger', 'task']);
  });
});

describe('exclusive transaction', () => {
  it('is rolled back with its nested transactions when it throws', () => {
    const core = createTestCore();
    const { id } = createAccount(core);
    const failingTransaction = core.transactions.exclusive(() => {
      core.accounts.setSpeed(id, 7);
      core.ledger.grant(id, 50, 'more', 0);
      core.faults.add(id, { at: 'request', match: {}, effect: { delayMs: 1 } });
      expect(core.faults.isEmpty()).toBe(false);
      core.resets.resetAll();
      throw new Error('no');
    });
    core.faults.add(null, { at: 'request', match: {}, effect: { delayMs: 1 } });
    expect(failingTransaction).toThrow('no');
    expect([core.faults.list(id).length, core.faults.list(null).length]).toEqual([0, 1]);
    expect(core.accounts.find('k')).toMatchObject({ id, speed: 1, balance: 100 });
    expect(core.db.inTransaction).toBe(false);
  });

  it('publishes its events after the commit and none after a rollback, also as part of a batch', async () => {
    const core = createTestCore();
    const { id } = createAccount(core);
    const emitted: unknown[] = [];
    core.events.listen((event) => emitted.push(event.type === 'ledger' ? event.entry.amount : event.type));
    const failAfterGrant = (amount: number) =>
      core.transactions.exclusive(() => {
        core.ledger.grant(id, amount, 'undone', 0);
        throw new Error('no');
      });
    expect(failAfterGrant(1)).toThrow('no');
    core.ledger.grant(id, 2, 'kept', 0);
    expect(failAfterGrant(3)).toThrow('no');
    // The same for two transactions in one batch.
    core.tasks.submit(id, [buildOrder({ price: 4 })]);
    const batched = core.transactions.batched(() => failAfterGrant(5)());
    expect(batched).toThrow('no');
    await nextTurn();
    expect(emitted).toEqual([2, -4, 'task']);
  });

  it('passes its outcome to callbacks that were registered inside of it', async () => {
    const core = createTestCore();
    const results: unknown[] = [];
    const createTransaction = (error?: Error) =>
      core.transactions.exclusive(() => {
        core.transactions.afterCommit((failure) => results.push(failure));
        if (error) throw error;
      });
    createTransaction()();
    const no = new Error('no');
    expect(createTransaction(no)).toThrow(no);
    expect(results).toEqual([]);
    await nextTurn();
    expect(results).toEqual([null, no]);
  });
});

describe('caches of accounts and tasks', () => {
  const whose = fc.constantFrom('a', 'b');
  const steps = fc.array(
    fc.oneof(
      fc.record({
        do: fc.constant('submit' as const),
        whose,
        seconds: fc.integer({ min: 0, max: 60 }),
        many: fc.integer({ min: 1, max: 3 }),
        chained: fc.boolean(),
        price: fc.integer({ min: 0, max: 400 }),
      }),
      fc.record({ do: fc.constant('stream' as const), whose }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
      fc.record({ do: fc.constant('poll' as const), whose }),
      fc.record({
        do: fc.constant('mode' as const),
        whose,
        mode: fc.constantFrom('real', 'frozen', 'auto'),
      }),
      fc.record({ do: fc.constant('speed' as const), whose, speed: fc.constantFrom(0.5, 1, 60) }),
      fc.record({
        do: fc.constantFrom(
          'next',
          'fail',
          'complete',
          'snapshot',
          'restore',
          'reset',
          'fork',
          'remove',
          'turn',
          'break',
        ),
        whose,
      }),
    ),
    { maxLength: 40 },
  );

  it('equal the database after random operations and rollbacks', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const core = createTestCore();
        for (const key of ['a', 'b']) core.accounts.create(key, 'seed', buildProfile({ credits: 900 }));
        let forks = 0;
        for (const step of list) {
          const { id } = core.accounts.find('whose' in step ? step.whose : 'a')!;
          const tasks = core.tasks.list(id, 100);
          const last = tasks.at(-1)?.id ?? 'task_none';
          try {
            if (step.do === 'submit') {
              const { many, price, seconds, chained } = step;
              const orders = Array.from({ length: many }, () => buildOrder({ price, seconds }));
              core.tasks.submit(id, orders, { chained });
            } else if (step.do === 'stream') core.tasks.submitSynchronous(id, buildOrder({ price: 2 }));
            else if (step.do === 'pass') core.clock.advance(step.ms);
            else if (step.do === 'poll') core.timeline.poll(id, [last, tasks[0]?.id ?? last]);
            else if (step.do === 'mode') core.timeline.setClock(id, step.mode as 'real');
            else if (step.do === 'speed') core.timeline.setSpeed(id, step.speed);
            else if (step.do === 'next') core.timeline.advanceToNext(id);
            else if (step.do === 'fail') core.tasks.fail(id, last, 'GENERATION_FAILED');
            else if (step.do === 'complete') core.tasks.complete(id, last);
            else if (step.do === 'snapshot') core.snapshots.take(id, 's');
            else if (step.do === 'restore') core.snapshots.restore(id, 's');
            else if (step.do === 'reset') core.resets.reset(id);
            else if (step.do === 'fork') core.snapshots.fork(id, `fork${++forks}`);
            else if (step.do === 'remove') {
              core.resets.remove(id);
              expect(core.accounts.find(step.whose)).toBeUndefined();
              expect(core.tasks.find(id, last)).toBeUndefined();
              core.accounts.create(step.whose, 'seed', buildProfile({ credits: 900 }));
            } else if (step.do === 'turn') await nextTurn();
            else {
              core.transactions.exclusive(() => {
                core.accounts.setSpeed(id, 3);
                core.tasks.submit(id, [buildOrder({ price: 1 })]);
                core.tasks.complete(id, last);
                throw new Error('undone');
              })();
            }
          } catch (error) {
            expect(['INSUFFICIENT_CREDITS', 'SNAPSHOT_NOT_FOUND', undefined]).toContain(
              (error as { code?: string }).code,
            );
          }
          for (const row of core.accounts.list(100)) {
            expect(core.accounts.get(row.id)).toEqual(row);
            expect(core.accounts.find(row.key)).toEqual(row);
            const stored = core.tasks.list(row.id, 100);
            expect(stored.map((task) => core.tasks.find(row.id, task.id))).toEqual(stored);
            const dueTimes = stored.flatMap(({ dueAtMs }) => (dueAtMs === null ? [] : [dueAtMs]));
            expect(core.tasks.earliestDueMs(row.id)).toBe(dueTimes.length === 0 ? null : Math.min(...dueTimes));
            expect(core.ledger.verify(row.id)).toEqual([]);
          }
        }
        core.close();
      }),
      { numRuns: 60 },
    );
  });
});

describe('undoOnRollback', () => {
  it('reverts a change in memory at once when its transaction is rolled back, the last change first', () => {
    const { transactions } = createTestCore();
    const undone: number[] = [];
    const change = transactions.exclusive((fails: boolean) => {
      for (const number of [1, 2]) transactions.undoOnRollback(() => undone.push(number));
      if (fails) throw new Error('no');
    });
    change(false);
    expect(undone).toEqual([]);
    expect(() => change(true)).toThrow('no');
    expect(undone).toEqual([2, 1]);
    // Changes of a committed transaction are not reverted by a later rollback, nor are those outside of any.
    transactions.undoOnRollback(() => undone.push(3));
    expect(() => transactions.exclusive(() => expect.fail('again'))()).toThrow('again');
    expect(undone).toEqual([2, 1]);
  });

  it('reverts the changes of every submission when the commit of their batch fails', async () => {
    const core = createTestCore();
    const { id } = createAccount(core);
    failCommitsWith(core, -7);
    const undone: number[] = [];
    const submit = (price: number) =>
      core.tasks.submit(id, [
        buildOrder({
          price,
          overrides: () => {
            core.transactions.undoOnRollback(() => undone.push(price));
            return {};
          },
        }),
      ]);
    submit(1);
    submit(7);
    // Belongs to the batch as well.
    core.transactions.undoOnRollback(() => undone.push(0));
    expect(undone).toEqual([]);
    expect(await waitForCommit(core)).not.toBeNull();
    expect(undone).toEqual([0, 7, 1]);
    submit(2);
    expect(await waitForCommit(core)).toBeNull();
    expect(undone).toEqual([0, 7, 1]);
  });
});
