import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { order, profile, testCore } from '../support/core.ts';

const THREE_STEPS = {
  typicalSeconds: [100, 100] as const,
  steps: [
    { name: 'script', share: 0.1 },
    { name: 'image', share: 0.2 },
    { name: 'video', share: 0.7 },
  ],
};

describe('a real clock', () => {
  it('completes a task when its simulated time divided by the speed has passed, not a millisecond before', () => {
    const core = testCore();
    const account = core.accounts.create('k', 'seed', profile({ speed: 60 }));
    const [task] = core.tasks.submit(account.id, [order({ seconds: 120 })]);
    core.clock.advance(1999);
    expect(core.timeline.poll(core.accounts.get(account.id), [task!.id])[0]!.status).toBe('processing');
    core.clock.advance(1);
    expect(core.timeline.poll(core.accounts.get(account.id), [task!.id])[0]).toMatchObject({
      status: 'completed',
      simulatedMs: 120_000,
      finishedAtMs: task!.createdAtMs + 2000,
    });
  });

  it('is exact for a poll even when the worker has not looked', () => {
    const core = testCore();
    const account = core.accounts.create('k', 'seed', profile());
    const [task] = core.tasks.submit(account.id, [order({ seconds: 10 })]);
    core.clock.advance(10_000);
    expect(core.timeline.poll(core.accounts.get(account.id), [task!.id])[0]!.status).toBe('completed');
  });

  it('can be advanced, and the wall clock then runs on from there', () => {
    const core = testCore();
    const account = core.accounts.create('k', 'seed', profile({ speed: 60 }));
    core.tasks.submit(account.id, [order({ seconds: 6000 })]);
    expect(core.timeline.advance(account.id, 60_000)).toEqual([]);
    core.clock.advance(39_999);
    expect(core.worker.tick()).toBe(0);
    core.clock.advance(1);
    expect(core.worker.tick()).toBe(1);
  });
});

describe('a frozen clock', () => {
  it('stands still while the wall clock runs, and plays all that fell due when advanced', () => {
    const core = testCore();
    const account = core.accounts.create('k', 'seed', profile({ clock: { mode: 'frozen' }, speed: 60 }));
    const [task] = core.tasks.submit(account.id, [order({ template: THREE_STEPS })]);
    core.clock.advance(1_000_000);
    expect(core.worker.tick()).toBe(0);
    const { createdAtMs } = task!;
    expect(core.timeline.advance(account.id, 100_000)).toEqual([
      { taskId: task!.id, from: 'script', to: 'image', atMs: createdAtMs + 10_000 },
      { taskId: task!.id, from: 'image', to: 'video', atMs: createdAtMs + 30_000 },
      { taskId: task!.id, from: 'processing', to: 'completed', atMs: createdAtMs + 100_000 },
    ]);
    expect(core.timeline.nowMs(core.accounts.get(account.id))).toBe(createdAtMs + 100_000);
  });

  it('goes to the next change and stays where it is when nothing is due', () => {
    const core = testCore();
    const account = core.accounts.create(
      'k',
      'seed',
      profile({ clock: { mode: 'frozen', nowMs: 5_000_000 } }),
    );
    core.tasks.submit(account.id, [order({ template: THREE_STEPS })]);
    const steps = () => core.timeline.advanceToNext(account.id).map(({ to }) => to);
    expect([steps(), steps(), steps(), steps()]).toEqual([['image'], ['video'], ['completed'], []]);
    expect(core.accounts.get(account.id).clockMs).toBe(5_100_000);
  });

  it('refuses to go back and changes nothing', () => {
    const core = testCore();
    const account = core.accounts.create('k', 'seed', profile({ clock: { mode: 'frozen', nowMs: 5000 } }));
    expect(() => core.timeline.advance(account.id, -1)).toThrow(
      expect.objectContaining({ code: 'CLOCK_BACKWARDS' }),
    );
    expect(() => core.timeline.setClock(account.id, 'real', 4999)).toThrow(
      expect.objectContaining({ code: 'CLOCK_BACKWARDS' }),
    );
    expect(core.accounts.get(account.id)).toMatchObject({ clockMode: 'frozen', clockMs: 5000 });
  });
});

describe('an auto clock', () => {
  it('moves to the next change of the polled task with each poll', () => {
    const core = testCore();
    const account = core.accounts.create('k', 'seed', profile({ clock: { mode: 'auto' } }));
    const [task] = core.tasks.submit(account.id, [order({ template: THREE_STEPS })]);
    const poll = () => {
      const [polled] = core.timeline.poll(core.accounts.get(account.id), [task!.id]);
      return [polled!.status, polled!.step];
    };
    expect([poll(), poll(), poll(), poll()]).toEqual([
      ['processing', 1],
      ['processing', 2],
      ['completed', 2],
      ['completed', 2],
    ]);
    expect(core.accounts.get(account.id).clockMs).toBe(task!.createdAtMs + 100_000);
  });

  it('moves to what has to happen first when the polled task waits for another', () => {
    const core = testCore();
    const account = core.accounts.create('k', 'seed', profile({ clock: { mode: 'auto' } }));
    const tasks = core.tasks.submit(account.id, [order(), order(), order()], { chained: true });
    const last = tasks.at(-1)!.id;
    const poll = () => core.timeline.poll(core.accounts.get(account.id), [last])[0]!.status;
    expect([poll(), poll(), poll()]).toEqual(['processing', 'processing', 'completed']);
  });

  it('does not move for an unknown or finished task', () => {
    const core = testCore();
    const account = core.accounts.create('k', 'seed', profile({ clock: { mode: 'auto' } }));
    core.tasks.submit(account.id, [order()]);
    expect(core.timeline.poll(account, ['task_unknown'])).toEqual([undefined]);
    expect(core.accounts.get(account.id).clockMs).toBe(account.clockMs);
  });
});

describe('changing the clock', () => {
  it('leaves running tasks the simulated time they have left', () => {
    const core = testCore();
    const account = core.accounts.create('k', 'seed', profile({ speed: 60 }));
    core.tasks.submit(account.id, [order({ seconds: 120 })]);
    core.clock.advance(1000);
    core.timeline.setClock(account.id, 'frozen');
    expect(core.timeline.advance(account.id, 59_999)).toEqual([]);
    expect(core.timeline.advance(account.id, 1)).toHaveLength(1);
  });

  it('hands a frozen account back to the worker when it becomes real', () => {
    const core = testCore();
    const account = core.accounts.create(
      'k',
      'seed',
      profile({ clock: { mode: 'frozen', nowMs: 1000 }, speed: 10 }),
    );
    core.tasks.submit(account.id, [order({ seconds: 100 })]);
    core.timeline.setClock(account.id, 'real');
    core.clock.advance(9999);
    expect(core.worker.tick()).toBe(0);
    core.clock.advance(1);
    expect(core.worker.tick()).toBe(1);
  });

  it('moves forward to a time that is given, playing what lies between', () => {
    const core = testCore();
    const account = core.accounts.create('k', 'seed', profile({ clock: { mode: 'frozen', nowMs: 0 } }));
    const [task] = core.tasks.submit(account.id, [order({ seconds: 100 })]);
    core.timeline.setClock(account.id, 'auto', 200_000);
    expect(core.tasks.find(account.id, task!.id)).toMatchObject({
      status: 'completed',
      finishedAtMs: 100_000,
    });
    expect(core.accounts.get(account.id)).toMatchObject({ clockMode: 'auto', clockMs: 200_000 });
  });
});

describe('the clock under random moves', () => {
  it('ends every task at the same simulated moment, however the time passed was cut into pieces', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 40 });
    const seconds = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(pieces, seconds, fc.boolean(), (moves, durations, chained) => {
        const run = (cuts: number[]) => {
          const core = testCore();
          const { id } = core.accounts.create('k', 'seed', profile({ clock: { mode: 'frozen', nowMs: 0 } }));
          core.tasks.submit(
            id,
            durations.map((length) => order({ seconds: length })),
            { chained },
          );
          const seen = cuts.flatMap((ms) => core.timeline.advance(id, ms));
          const state = core.tasks.list(id, 100).map(({ status, finishedAtMs }) => [status, finishedAtMs]);
          core.close();
          return { seen, state };
        };
        const total = moves.reduce((one, other) => one + other, 0);
        expect(run(moves)).toEqual(run([total]));
      }),
      { numRuns: 60 },
    );
  });
});
