import { describe, expect, it } from 'vitest';
import type { TaskOutcome } from '../../../src/core/tasks/plan.ts';
import { buildOrder, buildProfile, createTestCore, type TestCore } from '../../support/core.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTestClock } from '../../support/test-clock.ts';

const createAccount = (core: TestCore, key: string, failureRate: number, seed = 'test') =>
  core.accounts.create(key, 'seed', buildProfile({ credits: 100_000, failureRate, seed })).id;

/** Submits `count` tasks, one per request, and returns whether each is going to fail. */
function submitTasks(core: TestCore, id: number, count: number): boolean[] {
  return Array.from({ length: count }, () => {
    const [task] = core.tasks.submit(id, [buildOrder()]);
    return task!.plan.outcome.status === 'failed';
  });
}

const countFailures = (outcomes: boolean[]) => outcomes.filter(Boolean).length;

describe('failure rate', () => {
  it.each([
    [0, 0],
    [1, 200],
  ])('of %d makes none or all of 200 tasks fail', (failureRate, failures) => {
    const core = createTestCore();
    expect(countFailures(submitTasks(core, createAccount(core, 'k', failureRate), 200))).toBe(failures);
  });

  it('of 0.3 makes 0.25 to 0.35 of 1000 tasks fail, always the same ones for the same seed and key', () => {
    const [one, other] = [createTestCore(), createTestCore(createTestClock(5e12))];
    const id = createAccount(one, 'k', 0.3);
    const outcomes = submitTasks(one, id, 1000);
    expect(countFailures(outcomes)).toBeGreaterThan(250);
    expect(countFailures(outcomes)).toBeLessThan(350);
    // The first ones, so that other numbers in a later version are noticed.
    expect(outcomes.slice(0, 20).map(Number).join('')).toBe('00000000100001000000');
    // Another time, another position among the accounts, and the tasks of others in between change nothing.
    const noise = createAccount(other, 'noise', 0.3);
    const again = createAccount(other, 'k', 0.3);
    const repeated = outcomes.map(() => {
      submitTasks(other, noise, 1);
      return submitTasks(other, again, 1)[0];
    });
    expect(repeated).toEqual(outcomes);
  });

  it('makes other tasks fail for another key or another seed', () => {
    const core = createTestCore();
    const outcomes = [
      ['a', 'test'],
      ['b', 'test'],
      ['c', 'other'],
    ].map(([key, seed]) => submitTasks(core, createAccount(core, key!, 0.5, seed), 64).join());
    expect(new Set(outcomes).size).toBe(3);
  });

  it('makes the tasks that fail at a lower rate fail at a higher one, too, and changes no durations', () => {
    const outcomesAt = (failureRate: number) => {
      const core = createTestCore();
      const id = createAccount(core, 'k', failureRate);
      const template = { typicalSeconds: [1, 1000], steps: [{ name: 'generating', share: 1 }] } as const;
      return Array.from({ length: 100 }, () => core.tasks.submit(id, [buildOrder({ template })])[0]!.plan);
    };
    const [none, some, more] = [outcomesAt(0), outcomesAt(0.2), outcomesAt(0.6)];
    const fails = some.map(({ outcome }) => outcome.status === 'failed');
    expect(countFailures(fails)).toBeGreaterThan(0);
    for (const [index, { outcome }] of more.entries()) if (fails[index]) expect(outcome.status).toBe('failed');
    const durations = (plans: typeof none) => plans.map(({ endMs }) => endMs);
    expect(durations(some)).toEqual(durations(none));
    expect(durations(more)).toEqual(durations(none));
  });

  it('decides for each task of a request on its own, and for synchronous tasks as well', () => {
    const [batched, single] = [createTestCore(), createTestCore()];
    const id = createAccount(batched, 'k', 0.5);
    const orders = Array.from({ length: 20 }, () => buildOrder());
    const isFailing = ({ plan }: { plan: { outcome: TaskOutcome } }) => plan.outcome.status === 'failed';
    const outcomes = [
      ...batched.tasks.submit(id, orders, { chained: true }).map(isFailing),
      ...orders.map((order) => isFailing(batched.tasks.submitSynchronous(id, order))),
    ];
    expect(new Set(outcomes).size).toBe(2);
    expect(outcomes).toEqual(submitTasks(single, createAccount(single, 'k', 0.5), 40));
  });

  it('refunds tasks that fail, at their planned end', () => {
    const core = createTestCore();
    const id = createAccount(core, 'k', 0.3);
    const failures = countFailures(submitTasks(core, id, 100));
    expect(core.ledger.held(id)).toBe(400);
    core.clock.advance(99_999);
    core.worker.tick();
    expect(core.tasks.list(id, 1)[0]!.status).toBe('processing');
    core.clock.advance(1);
    core.worker.tick();
    const failed = core.tasks.list(id, 100, 0, 'failed');
    expect(failed).toHaveLength(failures);
    for (const task of failed) expect(task).toMatchObject({ errorCode: 'GENERATION_FAILED', simulatedMs: 100_000 });
    expect(core.accounts.get(id).balance).toBe(100_000 - 4 * (100 - failures));
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it.each<[string, TaskOutcome]>([
    ['another error code', { status: 'failed', errorCode: 'AI_SERVICE_ERROR' }],
    ['a task that hangs', { status: 'hangs' }],
    ['a task that completes', { status: 'completed' }],
  ])('yields to a fault: %s', (_title, outcome) => {
    const core = createTestCore();
    const id = createAccount(core, 'k', 1);
    const [task, next] = core.tasks.submit(id, [buildOrder({ overrides: () => ({ outcome }) }), buildOrder()]);
    expect(task!.plan.outcome).toEqual(outcome);
    expect(next!.plan.outcome.status).toBe('failed');
  });

  it('still applies to a task whose duration alone is changed by a fault', () => {
    const core = createTestCore();
    const order = buildOrder({ overrides: () => ({ durationMs: 5 }) });
    const [task] = core.tasks.submit(createAccount(core, 'k', 1), [order]);
    expect(task!.plan).toMatchObject({ endMs: 5, outcome: { status: 'failed' } });
  });

  it('applies to later tasks only, after a change', () => {
    const core = createTestCore();
    const id = createAccount(core, 'k', 0);
    submitTasks(core, id, 3);
    core.changeSettings(id, { failureRate: 1 });
    submitTasks(core, id, 3);
    core.changeSettings(id, { failureRate: 0 });
    submitTasks(core, id, 3);
    core.clock.advance(100_000);
    core.worker.tick();
    const statuses = core.tasks.list(id, 9).map(({ status }) => status[0]);
    expect(statuses.join('')).toBe('cccfffccc');
  });

  it('is the same after a restart and continues with the same outcomes', () => {
    const whole = createTestCore();
    const expected = submitTasks(whole, createAccount(whole, 'k', 0.5), 100);
    const dir = tempDir();
    const before = createTestCore(undefined, dir);
    const id = createAccount(before, 'k', 0.1);
    before.changeSettings(id, { failureRate: 0.5 });
    const outcomes = submitTasks(before, id, 50);
    before.close();
    const after = createTestCore(createTestClock(6e12), dir);
    expect(after.accounts.get(id).failureRate).toBe(0.5);
    outcomes.push(...submitTasks(after, id, 50));
    expect(outcomes).toEqual(expected);
    after.worker.start(() => expect.unreachable());
    expect(after.ledger.verify(id)).toEqual([]);
    after.close();
  });

  it('is copied by snapshots and forks, and a reset returns it to its first value', () => {
    const core = createTestCore();
    const id = createAccount(core, 'k', 0.25);
    core.changeSettings(id, { failureRate: 0.5 });
    core.snapshots.take(id, 's');
    expect(core.snapshots.fork(id, 'fork').failureRate).toBe(0.5);
    core.changeSettings(id, { failureRate: 1 });
    const restored = core.snapshots.restore(id, 's');
    expect(restored.failureRate).toBe(0.5);
    expect(core.resets.reset(restored.id).failureRate).toBe(0.25);
  });

  it('is kept by a change of other settings', () => {
    const core = createTestCore();
    const id = createAccount(core, 'k', 0.25);
    core.changeSettings(id, { seed: 'other', revoked: false, speed: 2 });
    core.setRateLimit(id, 5);
    expect(core.accounts.get(id).failureRate).toBe(0.25);
    core.accounts.invalidate();
    expect(core.accounts.get(id).failureRate).toBe(0.25);
  });

  it('is limited to 0 to 1 in the database', () => {
    const core = createTestCore();
    for (const rate of [-0.1, 1.5, Number.NaN]) expect(() => createAccount(core, 'k', rate)).toThrow(/failure_rate/);
  });
});
