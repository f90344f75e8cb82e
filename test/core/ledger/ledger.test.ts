import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EmulatorError } from '../../../src/core/errors.ts';
import { buildOrder, buildProfile, createTestCore } from '../../support/core.ts';

const listEntries = (core: ReturnType<typeof createTestCore>, accountId: number) =>
  core.ledger.entries(accountId, 1000).map(({ kind, amount, balance }) => [kind, amount, balance]);

describe('ledger', () => {
  it('records a hold when a task is submitted and a capture when it completes', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    core.tasks.submit(id, [buildOrder({ price: 4, seconds: 100 })]);
    expect(listEntries(core, id)).toEqual([
      ['grant', 1000, 1000],
      ['hold', -4, 996],
    ]);
    expect(core.ledger.held(id)).toBe(4);
    core.clock.advance(100_000);
    core.worker.tick();
    expect(listEntries(core, id).slice(2)).toEqual([['capture', 0, 996]]);
    expect(core.ledger.held(id)).toBe(0);
  });

  it('commits and reports a change of credits on its own, whatever happens to a submission of the same turn', async () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const kinds: string[] = [];
    core.events.listen((event) => void (event.type === 'ledger' && kinds.push(event.entry.kind)));
    core.tasks.submit(id, [buildOrder({ price: 4 })]);
    // SQLite does the same on a full disk.
    core.db.exec('ROLLBACK');
    core.ledger.adjust(id, 50, 'a test', core.clock.nowMs());
    await core.transactions.committed();
    expect(kinds).toEqual(['adjust']);
    expect(listEntries(core, id)).toEqual([
      ['grant', 1000, 1000],
      ['adjust', 50, 1050],
    ]);
  });

  it('reports every entry as it is stored', async () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    await core.transactions.committed();
    const reported: unknown[] = [];
    core.events.listen((event) => void (event.type === 'ledger' && reported.push(event.entry)));
    const [completed, failed] = core.tasks.submit(id, [buildOrder(), buildOrder()]);
    core.tasks.complete(id, completed!.id);
    core.tasks.fail(id, failed!.id, 'X');
    core.ledger.grant(id, 5, 'a gift', core.clock.nowMs());
    core.ledger.adjust(id, -1, 'a fee', core.clock.nowMs());
    await core.transactions.committed();
    expect(reported).toEqual(core.ledger.entries(id, 10, 1));
    expect(reported).toHaveLength(6);
  });

  it('refunds the hold of a failed task in full, exactly once', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const [task] = core.tasks.submit(id, [
      buildOrder({
        price: 60,
        overrides: () => ({ outcome: { status: 'failed', errorCode: 'GENERATION_FAILED' } }),
      }),
    ]);
    core.clock.advance(100_000);
    core.worker.tick();
    expect(core.tasks.find(id, task!.id)).toMatchObject({ status: 'failed', errorCode: 'GENERATION_FAILED' });
    expect(listEntries(core, id).slice(2)).toEqual([['refund', 60, 1000]]);
    expect(core.ledger.entries(id, 10).at(-1)).toMatchObject({
      taskId: task!.id,
      reason: 'GENERATION_FAILED',
    });
    expect(core.tasks.fail(id, task!.id, 'AGAIN')).toBe(false);
    expect(core.tasks.complete(id, task!.id)).toBe(false);
    expect(core.accounts.get(id).balance).toBe(1000);
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('rejects a submission that the balance does not cover as a whole, and changes nothing', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 25 }));
    const submit = () =>
      core.tasks.submit(id, [buildOrder({ price: 10 }), buildOrder({ price: 10 }), buildOrder({ price: 10 })]);
    expect(submit).toThrow(EmulatorError);
    expect(submit).toThrow(
      expect.objectContaining({
        code: 'INSUFFICIENT_CREDITS',
        message: 'needs 30 credits, has 25',
        facts: { requiredCredits: 30 },
      }),
    );
    expect(listEntries(core, id)).toEqual([['grant', 25, 25]]);
    expect(core.tasks.list(id, 10)).toEqual([]);
    expect(core.accounts.get(id).taskCount).toBe(0);
  });

  it('allows the balance to reach zero', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 4 }));
    core.tasks.submit(id, [buildOrder({ price: 4 })]);
    expect(core.accounts.get(id).balance).toBe(0);
  });

  it('records no hold for a free task', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 0 }));
    core.tasks.submit(id, [buildOrder({ price: 0, seconds: 1 })]);
    core.clock.advance(1000);
    core.worker.tick();
    expect(core.tasks.list(id, 10)[0]).toMatchObject({ status: 'completed', price: 0 });
    expect(listEntries(core, id)).toEqual([]);
    expect(core.accounts.get(id).entryCount).toBe(0);
  });

  it('verification finds every violated invariant when triggers and constraints are off', () => {
    const corruptions: [string, RegExp][] = [
      ['UPDATE ledger_entries SET balance = balance + 1 WHERE seq = 2', /not follow the previous one: entry 2/],
      ['UPDATE ledger_entries SET amount = -990, balance = 6 WHERE seq = 3', /not follow the previous one: entry 4/],
      ['UPDATE ledger_entries SET seq = 7 WHERE seq = 6', /not follow the previous one: entry 7/],
      ['UPDATE ledger_entries SET hold_seq = 2 WHERE seq = 6', /more than once: hold 2/],
      ['UPDATE ledger_entries SET hold_seq = 1 WHERE seq = 6', /not resolve a hold of its task: entry 6/],
      ['UPDATE ledger_entries SET task_seq = 3 WHERE seq = 3', /not belong to a task: hold 3/],
      ['UPDATE tasks SET price = 5 WHERE seq = 2', /not belong to a task: hold 3/],
      ['UPDATE tasks SET hold_seq = 9 WHERE seq = 2', /a task does not match its entries: task task_/],
      ['DELETE FROM tasks WHERE seq = 2', /not belong to a task: hold 3/],
      ["UPDATE tasks SET status = 'completed', finished_at = 1, due_at = NULL WHERE seq = 2", /task task_/],
      ["UPDATE tasks SET status = 'processing', finished_at = NULL WHERE seq = 1", /task task_/],
    ];
    for (const [sql, pattern] of corruptions) {
      const core = createTestCore();
      const { id } = core.accounts.create('k', 'seed', buildProfile());
      // Entries: 1 grant, 2 hold, 3 hold, 4 capture of 2, 5 hold, 6 refund of 5.
      const [first] = core.tasks.submit(id, [buildOrder(), buildOrder()]);
      core.tasks.complete(id, first!.id);
      const [third] = core.tasks.submit(id, [buildOrder()]);
      core.tasks.fail(id, third!.id, 'X');
      expect(core.ledger.verify(id)).toEqual([]);
      const triggers = core.db.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all();
      for (const trigger of triggers) core.db.exec(`DROP TRIGGER ${trigger}`);
      core.db.exec('DROP INDEX one_resolution_per_hold; PRAGMA ignore_check_constraints = ON');
      core.db.exec(sql);
      expect([sql, core.ledger.verify(id).join()]).toEqual([sql, expect.stringMatching(pattern)]);
      core.close();
    }
  });

  it('keeps its invariants over random submissions, outcomes and clock advances', () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('submit' as const),
        prices: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 4 }),
        fails: fc.boolean(),
        chained: fc.boolean(),
      }),
      fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 200_000 }) }),
      fc.record({ do: fc.constant('complete' as const), nth: fc.nat(20) }),
      fc.record({ do: fc.constant('fail' as const), nth: fc.nat(20) }),
      fc.record({ do: fc.constant('grant' as const), credits: fc.integer({ min: 1, max: 50 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.integer({ min: 0, max: 200 }), (steps, credits) => {
        const core = createTestCore();
        const { id } = core.accounts.create('k', 'seed', buildProfile({ credits }));
        const model = { spendable: credits, open: new Map<string, number>() };
        for (const action of steps) {
          if (action.do === 'submit') {
            const sum = action.prices.reduce((one, other) => one + other, 0);
            const orders = action.prices.map((price) =>
              buildOrder({
                price,
                seconds: 50,
                overrides: () => ({
                  outcome: action.fails ? { status: 'failed', errorCode: 'X' } : { status: 'completed' },
                }),
              }),
            );
            try {
              for (const task of core.tasks.submit(id, orders, { chained: action.chained })) {
                model.open.set(task.id, task.price);
              }
              expect(sum).toBeLessThanOrEqual(model.spendable);
              model.spendable -= sum;
            } catch (error) {
              expect((error as EmulatorError).code).toBe('INSUFFICIENT_CREDITS');
              expect(sum).toBeGreaterThan(model.spendable);
            }
          } else if (action.do === 'advance') {
            core.clock.advance(action.ms);
            core.worker.tick();
          } else if (action.do === 'grant') {
            core.ledger.grant(id, action.credits, 'more', core.clock.nowMs());
            model.spendable += action.credits;
          } else {
            const task = core.tasks.list(id, 1, action.nth)[0];
            if (task) core.tasks[action.do](id, task.id, 'BY_HAND');
          }
          for (const [taskId, price] of model.open) {
            const { status } = core.tasks.find(id, taskId)!;
            if (status === 'processing') continue;
            model.open.delete(taskId);
            if (status === 'failed') model.spendable += price;
          }
          expect(core.accounts.get(id).balance).toBe(model.spendable);
          expect(core.ledger.held(id)).toBe([...model.open.values()].reduce((one, other) => one + other, 0));
          expect(core.ledger.verify(id)).toEqual([]);
        }
        core.close();
      }),
      { numRuns: 60 },
    );
  });
});
