import { describe, expect, it } from 'vitest';
import type { FaultContext, Rule } from '../../../src/core/faults/fault-rules.ts';
import { type NearMiss, NearMisses } from '../../../src/core/faults/near-misses.ts';
import { buildFaultContext, buildProfile, createTestCore } from '../../support/core.ts';

const GENERATE = '/api/sora-2/generate';

function createRules(...rules: Partial<Rule>[]) {
  const core = createTestCore();
  const { id: accountId } = core.accounts.create('k', 'seed', buildProfile());
  const ids = rules.map(
    (rule) => core.faults.add(accountId, { match: {}, at: 'charge', effect: { fail: true }, ...rule }).id,
  );
  let count = 0;
  const fire = (overrides: Partial<FaultContext> = {}, stage: Rule['at'] = 'charge') => {
    const requestId = `request ${++count}`;
    const identify = () => ({ requestId, atMs: 1000 * count });
    return core.faults.fire(stage, buildFaultContext(accountId, { identify, ...overrides }), 'seed')?.id;
  };
  const obstacles = (rule = 0) => core.faults.listNearMisses(ids[rule]!).map(({ obstacle }) => obstacle);
  return { core, accountId, ids, fire, obstacles };
}

describe('near misses', () => {
  it('are requests that meet all conditions but one', () => {
    const match = { family: 'veo-3', endpoint: '/api/veo-3/generate', contains: 'kitten' };
    const { core, ids, fire } = createRules({ match });
    fire({ ...match, text: () => 'a dog' });
    fire({ ...match, text: () => 'a kitten', family: 'sora-2' });
    fire({ ...match, text: () => 'a kitten', endpoint: GENERATE });
    expect(core.faults.listNearMisses(ids[0]!)).toEqual([
      {
        ...{ requestId: 'request 1', atMs: 1000, family: 'veo-3', path: match.endpoint },
        obstacle: 'contains',
        number: 0,
      },
      {
        ...{ requestId: 'request 2', atMs: 2000, family: 'sora-2', path: match.endpoint },
        obstacle: 'family',
        number: 0,
      },
      { ...{ requestId: 'request 3', atMs: 3000, family: 'veo-3', path: GENERATE }, obstacle: 'endpoint', number: 0 },
    ]);
  });

  it('are not requests that miss several conditions, or that do not reach the stage of the rule', () => {
    const { fire, obstacles } = createRules({ match: { family: 'veo-3', contains: 'kitten' } });
    fire({ text: () => 'a dog' });
    fire({ family: 'veo-3', text: () => 'a dog' }, 'request');
    expect(obstacles()).toEqual([]);
    const both = createRules({ match: { family: 'veo-3', endpoint: '/api/veo-3/generate' } });
    both.fire();
    expect(both.obstacles()).toEqual([]);
  });

  it('are only matching requests once the rule has matched', () => {
    const { fire, obstacles } = createRules({ match: { contains: 'kitten' }, after: 1, times: 1 });
    for (const text of ['a dog', 'a kitten', 'a dog', 'a kitten', 'a dog', 'a kitten']) fire({ text: () => text });
    expect(obstacles()).toEqual(['contains', 'after', 'times']);
  });

  it('are requests that match while the rule lets them pass, does not fire by chance, or is used up', () => {
    const waiting = createRules({ after: 2 });
    expect([waiting.fire(), waiting.fire(), waiting.fire()]).toEqual([undefined, undefined, waiting.ids[0]]);
    expect(waiting.core.faults.listNearMisses(waiting.ids[0]!)).toMatchObject([
      { obstacle: 'after', number: 1 },
      { obstacle: 'after', number: 2 },
    ]);
    const unlucky = createRules({ probability: 0 });
    expect(unlucky.fire()).toBeUndefined();
    expect(unlucky.obstacles()).toEqual(['probability']);
    const usedUp = createRules({ times: 1 });
    expect([usedUp.fire(), usedUp.fire()]).toEqual([usedUp.ids[0], undefined]);
    expect(usedUp.obstacles()).toEqual(['times']);
  });

  it('are requests for which an earlier rule fires, which do not count as matching', () => {
    const { core, accountId, ids, fire, obstacles } = createRules(
      { times: 1 },
      { match: { contains: 'dog' } },
      { at: 'request' },
    );
    const global = core.faults.add(null, { match: {}, at: 'charge', effect: { hang: true } });
    const text = () => 'a dog';
    expect([fire({ text }), fire({ text })]).toEqual([ids[0], ids[1]]);
    expect(core.faults.listNearMisses(ids[1]!)).toMatchObject([{ obstacle: 'earlier rule', number: ids[0] }]);
    expect(core.faults.listNearMisses(global.id)).toMatchObject([
      { obstacle: 'earlier rule', number: ids[0] },
      { obstacle: 'earlier rule', number: ids[1] },
    ]);
    expect(obstacles(2)).toEqual([]);
    expect(core.faults.list(accountId)).toMatchObject([{ matched: 1 }, { matched: 1, fired: 1 }, { matched: 0 }]);
    expect(core.faults.list(null)).toMatchObject([{ matched: 0 }]);
  });

  // id: near-misses-bounded
  it('are the last ten of a rule, and those of at most 1000 rules', () => {
    const { core, ids, fire } = createRules({ match: { contains: 'kitten' } });
    for (let n = 0; n < 12; n++) fire();
    const kept = core.faults.listNearMisses(ids[0]!).map(({ requestId }) => requestId);
    expect(kept).toEqual(Array.from({ length: 10 }, (_, index) => `request ${index + 3}`));

    const nearMisses = new NearMisses();
    const nearMiss: NearMiss = {
      ...{ requestId: 'r', atMs: 0, family: 'sora-2', path: 'x'.repeat(10_000), obstacle: 'times', number: 0 },
    };
    for (let ruleId = 0; ruleId <= 1000; ruleId++) nearMisses.add(ruleId, nearMiss);
    expect([0, 1, 1000].map((ruleId) => nearMisses.list(ruleId).length)).toEqual([0, 1, 1]);
    expect(nearMisses.list(1)[0]!.path).toHaveLength(200);
  });

  it('cost nothing without rules at the stage', () => {
    const { fire } = createRules({ match: { contains: 'kitten' }, at: 'media' });
    const unused = () => {
      throw new Error('must not be called');
    };
    expect(fire({ text: unused, identify: unused })).toBeUndefined();
  });
});
