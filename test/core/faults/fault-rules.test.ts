import { describe, expect, it, vi } from 'vitest';
import { MAX_MATCHES, type Rule } from '../../../src/core/faults/fault-rules.ts';
import { seededRandom } from '../../../src/core/random.ts';
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

describe('fault rules', () => {
  const RULE: Rule = { match: {}, at: 'charge', effect: { fail: true } };

  function createAccount() {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const changes: (number | null)[] = [];
    core.events.listen((event) => {
      if (event.type === 'account' && event.change === 'faults') changes.push(event.accountId);
    });
    const fire = (text: () => string = () => '') =>
      core.faults.fire('charge', buildFaultContext(id, { text }), 'own')?.id;
    return { core, id, changes, fire };
  }

  it('are listed, found and removed per account, and global ones apart from them', async () => {
    const { core, id, changes } = createAccount();
    const { faults } = core;
    expect([faults.isEmpty(), faults.list(id)]).toEqual([true, []]);
    const [own, global] = [faults.add(id, RULE), faults.add(null, { ...RULE, times: 2 })];
    expect(own).toEqual({ ...RULE, id: own.id, accountId: id, matched: 0, fired: 0 });
    expect([faults.isEmpty(), faults.list(id), faults.list(null)]).toEqual([false, [own], [global]]);
    expect([faults.find(id, own.id), faults.find(id, global.id), faults.find(null, own.id)]).toEqual([
      own,
      undefined,
      undefined,
    ]);
    expect([faults.remove(id, global.id), faults.remove(null, own.id)]).toEqual([false, false]);
    expect([faults.remove(id, own.id), faults.list(id), faults.isEmpty()]).toEqual([true, [], false]);
    // Changes nothing, and is not reported.
    faults.clear(id);
    faults.clear(null);
    expect([faults.list(null), faults.isEmpty()]).toEqual([[], true]);
    await core.transactions.committed();
    expect(changes).toEqual([id, null, id, null]);
  });

  it('are removed for good', () => {
    const { core, id, fire } = createAccount();
    const [first, second] = [core.faults.add(id, RULE), core.faults.add(id, RULE)];
    core.faults.remove(id, first.id);
    core.faults.invalidate();
    expect(fire()).toBe(second.id);
    core.faults.remove(id, second.id);
    expect([core.faults.isEmpty(), fire()]).toEqual([true, undefined]);
    core.faults.invalidate();
    expect(core.faults.list(id)).toEqual([]);
  });

  it('store their counts, and count up to a maximum', () => {
    const { core, id, fire } = createAccount();
    core.faults.addCounted(id, { ...RULE, after: 2 }, MAX_MATCHES - 1, MAX_MATCHES - 3);
    for (const _ of [1, 2, 3]) fire();
    const counts = [{ matched: MAX_MATCHES, fired: MAX_MATCHES - 2 }];
    expect(core.faults.list(id)).toMatchObject(counts);
    core.faults.invalidate();
    expect(core.faults.list(id)).toMatchObject(counts);
  });

  it('can be added with counts while there is none, without a report', async () => {
    const { core, id, changes, fire } = createAccount();
    expect([fire(), core.faults.list(id)]).toEqual([undefined, []]);
    core.faults.addCounted(id, RULE, 0, 0);
    expect([core.faults.isEmpty(), fire()]).toEqual([false, core.faults.list(id)[0]!.id]);
    await core.transactions.committed();
    expect(changes).toEqual([]);
  });

  it.each(['set', undefined])('fire by chance, drawn from their seed or else that of the account: %s', (seed) => {
    const { core, id, fire } = createAccount();
    core.faults.add(id, { ...RULE, after: 5, probability: 0.3, seed });
    const fired = Array.from({ length: 40 }, () => fire() !== undefined);
    const isDrawn = (number: number) => seededRandom('fault', seed ?? 'own', number).next() < 0.3;
    expect(fired).toEqual(Array.from({ length: 40 }, (_, index) => index >= 5 && isDrawn(index + 1)));
  });

  it('read the text only if all other conditions are met, or all but one before the first match', () => {
    const { core, id, fire } = createAccount();
    const match = { family: 'veo-3', endpoint: '/api/veo-3/generate', contains: 'a' };
    core.faults.add(id, { ...RULE, match });
    const text = vi.fn(() => 'a');
    fire(text);
    expect(text).not.toHaveBeenCalled();
    core.faults.addCounted(id, { ...RULE, match: { family: 'veo-3', contains: 'a' } }, 1, 1);
    fire(text);
    expect(text).not.toHaveBeenCalled();
  });

  it('are copied with their counts, in their order', () => {
    const { core, id, fire } = createAccount();
    core.faults.add(id, { ...RULE, times: 1 });
    core.faults.add(id, { ...RULE, match: { contains: 'a' } });
    fire();
    const other = core.accounts.create('other', 'seed', buildProfile());
    expect(core.faults.list(other.id)).toEqual([]);
    core.faults.copy(id, other.id);
    const withoutIds = (accountId: number) =>
      core.faults.list(accountId).map((fault) => ({ ...fault, id: 0, accountId }));
    expect(withoutIds(other.id)).toEqual(withoutIds(id).map((fault) => ({ ...fault, accountId: other.id })));
    expect(core.faults.list(other.id)).toMatchObject([{ matched: 1, fired: 1 }, { match: { contains: 'a' } }]);
  });

  it('are as before after a rollback', () => {
    const { core, id, fire } = createAccount();
    const kept = core.faults.add(id, RULE);
    const change = core.transactions.exclusive(() => {
      core.faults.remove(id, kept.id);
      core.faults.add(null, RULE);
      throw new Error('rolled back');
    });
    expect(change).toThrow('rolled back');
    expect([core.faults.list(id), core.faults.list(null), fire()]).toMatchObject([[{ id: kept.id }], [], kept.id]);
  });

  it('count towards the memory budget', () => {
    const { core, id } = createAccount();
    const before = core.memory.usedBytes.storage;
    core.faults.add(id, RULE);
    expect(core.memory.usedBytes.storage - before).toBe(300 + 4 * JSON.stringify(RULE).length);
  });
});
