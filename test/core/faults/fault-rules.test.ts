import { describe, expect, it, vi } from 'vitest';
import { buildFaultContext, buildOrder, buildProfile, createTestCore } from '../../support/core.ts';

describe('fault rules with texts', () => {
  function createRules(patterns: string[]) {
    const core = createTestCore();
    const { id: accountId } = core.accounts.create('k', 'seed', buildProfile());
    for (const contains of patterns)
      core.faults.add(accountId, { match: { contains }, at: 'request', effect: { fail: true } });
    const fire = (text: () => string) => core.faults.fire('request', buildFaultContext(accountId, { text }), 'seed');
    return { core, accountId, fire };
  }

  it('read the text of a request once, whatever their number', () => {
    const { fire } = createRules(['one', 'two', 'three']);
    const text = vi.fn(() => 'three');
    expect(fire(text)?.match).toEqual({ contains: 'three' });
    expect(text).toHaveBeenCalledTimes(1);
  });

  // id: fault-rules-worst-text-is-fast
  it('search the worst text of maximum length without blocking for long', () => {
    const { fire } = createRules(
      Array.from({ length: 100 }, (_, n) => `${'a'.repeat(300 + n)}b${'a'.repeat(699 - n)}`),
    );
    const text = 'a'.repeat(1_048_576);
    const start = performance.now();
    expect(fire(() => text)).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('find the same rule in a long text as in a short one, also after the rules have changed', () => {
    const { core, accountId, fire } = createRules(['dragon', 'rag', 'x'.repeat(100)]);
    const rules = core.faults.list(accountId);
    const padding = ' '.repeat(1_000_000);
    expect(fire(() => `${padding}a rag`)?.id).toBe(rules[1]!.id);
    expect(fire(() => `a dragon${padding}`)?.id).toBe(rules[0]!.id);
    expect(fire(() => padding)).toBeUndefined();
    core.faults.remove(accountId, rules[0]!.id);
    expect(fire(() => `a dragon${padding}`)?.id).toBe(rules[1]!.id);
    core.faults.add(null, { match: { contains: '  ' }, at: 'request', effect: { fail: true } });
    expect(fire(() => padding)?.accountId).toBeNull();
  });
});

describe('changes of fault rules', () => {
  it('are committed and reported on their own, whatever happens to a submission of the same turn', async () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    let changeCount = 0;
    core.events.listen((event) => {
      if (event.type === 'account' && event.change === 'faults') changeCount += 1;
    });
    const add = () => core.faults.add(id, { match: {}, at: 'charge', effect: { fail: true } });
    const rules = [add(), add()];
    const listCounts = () => core.db.prepare('SELECT fired FROM faults ORDER BY id').pluck().all();
    for (const [change, expectedCounts] of [
      [() => core.faults.remove(id, rules[1]!.id), [0]],
      [() => core.faults.fire('charge', buildFaultContext(id), 'seed'), [1]],
      [() => add(), [1, 0]],
      [() => core.faults.clear(id), []],
    ] as const) {
      core.tasks.submit(id, [buildOrder({ price: 4 })]);
      // As SQLite does on a full disk.
      core.db.exec('ROLLBACK');
      change();
      await core.transactions.committed();
      expect(listCounts()).toEqual(expectedCounts);
    }
    expect(changeCount).toBe(5);
    expect(core.tasks.list(id, 1)).toEqual([]);
  });
});
