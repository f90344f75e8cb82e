import { describe, expect, it, vi } from 'vitest';
import { buildFaultContext, buildProfile, createTestCore } from '../../support/core.ts';

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
