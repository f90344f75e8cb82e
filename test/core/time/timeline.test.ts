import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CoreEvent } from '../../../src/core/events.ts';
import { buildOrder, buildProfile, createTestCore } from '../../support/core.ts';
import { createTestClock } from '../../support/test-clock.ts';

const THREE_STEPS = {
  typicalSeconds: [100, 100] as const,
  steps: [
    { name: 'script', share: 0.1 },
    { name: 'image', share: 0.2 },
    { name: 'video', share: 0.7 },
  ],
};

describe('real clock', () => {
  it('completes a task exactly after its simulated time divided by the speed', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ speed: 60 }));
    const [task] = core.tasks.submit(account.id, [buildOrder({ seconds: 120 })]);
    core.clock.advance(1999);
    expect(core.timeline.poll(account.id, [task!.id])[0]!.status).toBe('processing');
    core.clock.advance(1);
    expect(core.timeline.poll(account.id, [task!.id])[0]).toMatchObject({
      status: 'completed',
      simulatedMs: 120_000,
      finishedAtMs: task!.createdAtMs + 2000,
    });
  });

  it('is exact for a poll before the worker has run', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile());
    const [task] = core.tasks.submit(account.id, [buildOrder({ seconds: 10 })]);
    core.clock.advance(10_000);
    expect(core.timeline.poll(account.id, [task!.id])[0]!.status).toBe('completed');
  });

  it('can be advanced by zero although wall time passes between two reads', () => {
    const clock = createTestClock();
    const ticking = {
      ...clock,
      nowMs() {
        clock.advance(1);
        return clock.nowMs();
      },
    };
    const core = createTestCore(ticking);
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    for (let n = 0; n < 50; n++) expect(core.timeline.advance(id, 0)).toEqual([]);
    core.tasks.submit(id, [buildOrder({ seconds: 1 })]);
    while (core.tasks.list(id, 1)[0]!.status === 'processing') core.timeline.advanceToNext(id);
    core.timeline.setClock(id, 'real', core.timeline.nowMs(core.accounts.get(id)) + 5);
  });

  it('can be advanced and continues from there', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ speed: 60 }));
    core.tasks.submit(account.id, [buildOrder({ seconds: 6000 })]);
    expect(core.timeline.advance(account.id, 60_000)).toEqual([]);
    core.clock.advance(39_999);
    expect(core.worker.tick()).toBe(0);
    core.clock.advance(1);
    expect(core.worker.tick()).toBe(1);
  });
});

describe('frozen clock', () => {
  it('completes a task without a duration, although time stands still', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'frozen' } }));
    const [polled, unpolled] = core.tasks.submit(account.id, [buildOrder({ seconds: 0 }), buildOrder({ seconds: 0 })]);
    expect(core.timeline.poll(account.id, [polled!.id])[0]!.status).toBe('completed');
    core.tasks.submit(account.id, [buildOrder({ seconds: 0 })]);
    core.worker.tick();
    expect(core.tasks.list(account.id, 3).map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
    expect(core.tasks.find(account.id, unpolled!.id)!.finishedAtMs).toBe(account.createdAtMs);
  });

  it('ignores wall time, and applies everything due when it is advanced', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'frozen' }, speed: 60 }));
    const [task] = core.tasks.submit(account.id, [buildOrder({ template: THREE_STEPS })]);
    core.clock.advance(1_000_000);
    expect(core.worker.tick()).toBe(0);
    expect(core.accounts.get(account.id).wakeAtMs).toBeNull();
    const { createdAtMs } = task!;
    expect(core.timeline.advance(account.id, 100_000)).toEqual([
      { taskId: task!.id, from: 'script', to: 'image', atMs: createdAtMs + 10_000 },
      { taskId: task!.id, from: 'image', to: 'video', atMs: createdAtMs + 30_000 },
      { taskId: task!.id, from: 'processing', to: 'completed', atMs: createdAtMs + 100_000 },
    ]);
    expect(core.timeline.nowMs(core.accounts.get(account.id))).toBe(createdAtMs + 100_000);
  });

  it('advances to the next transition, and stays where it is when none is pending', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'frozen', nowMs: 5_000_000 } }));
    core.tasks.submit(account.id, [buildOrder({ template: THREE_STEPS })]);
    const steps = () => core.timeline.advanceToNext(account.id).map(({ to }) => to);
    expect([steps(), steps(), steps(), steps()]).toEqual([['image'], ['video'], ['completed'], []]);
    expect(core.accounts.get(account.id).clockMs).toBe(5_100_000);
  });

  it('rejects a time in the past and changes nothing', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'frozen', nowMs: 5000 } }));
    expect(() => core.timeline.advance(account.id, -1)).toThrow(expect.objectContaining({ code: 'CLOCK_BACKWARDS' }));
    expect(() => core.timeline.setClock(account.id, 'real', 4999)).toThrow(
      expect.objectContaining({ code: 'CLOCK_BACKWARDS' }),
    );
    expect(core.accounts.get(account.id)).toMatchObject({ clockMode: 'frozen', clockMs: 5000 });
  });
});

describe('auto clock', () => {
  it('advances to the next transition of the polled task with each poll', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'auto' } }));
    const [task] = core.tasks.submit(account.id, [buildOrder({ template: THREE_STEPS })]);
    const poll = () => {
      const [polled] = core.timeline.poll(account.id, [task!.id]);
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

  it('advances to the transition of the predecessor when the polled task is waiting for it', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'auto' } }));
    const tasks = core.tasks.submit(account.id, [buildOrder(), buildOrder(), buildOrder()], {
      chained: true,
    });
    const last = tasks.at(-1)!.id;
    const poll = () => core.timeline.poll(account.id, [last])[0]!.status;
    expect([poll(), poll(), poll()]).toEqual(['processing', 'processing', 'completed']);
  });

  it('does not advance for an unknown task', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'auto' } }));
    core.tasks.submit(account.id, [buildOrder()]);
    expect(core.timeline.poll(account.id, ['task_unknown'])).toEqual([undefined]);
    expect(core.accounts.get(account.id).clockMs).toBe(account.clockMs);
  });

  it('advances to the transition of the first polled task that is running', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'auto' } }));
    const ids = [10, 20, 30].map((seconds) => core.tasks.submit(account.id, [buildOrder({ seconds })])[0]!.id);
    const poll = () => core.timeline.poll(account.id, ids).map((task) => task!.status);
    expect(poll()).toEqual(['completed', 'processing', 'processing']);
    expect(poll()).toEqual(['completed', 'completed', 'processing']);
  });
});

describe('a poll', () => {
  it('does not find a task of another family', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const [task] = core.tasks.submit(id, [buildOrder({ family: 'sora-2' })]);
    expect(core.timeline.poll(id, [task!.id], 'sora-2')).toEqual([task]);
    expect(core.timeline.poll(id, [task!.id], 'veo-3')).toEqual([undefined]);
  });

  it('applies due transitions if only some of its tasks are running', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const ids = [10, 20].map((seconds) => core.tasks.submit(id, [buildOrder({ seconds })])[0]!.id);
    for (const statuses of [
      ['completed', 'processing'],
      ['completed', 'completed'],
    ]) {
      core.clock.advance(10_000);
      expect(core.timeline.poll(id, ids).map((task) => task!.status)).toEqual(statuses);
    }
  });

  it.each(['real', 'auto'] as const)('writes nothing on a clock that is %s when its task has ended', (mode) => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ clock: { mode } }));
    const [ended] = core.tasks.submit(id, [buildOrder()]);
    core.tasks.complete(id, ended!.id);
    core.tasks.submit(id, [buildOrder()]);
    core.timeline.poll(id, [ended!.id]);
    // A transaction of the poll would have committed the batch of the submission.
    expect(core.transactions.hasPendingBatch()).toBe(true);
  });
});

describe('applyIfDue', () => {
  it('returns whether a transition was due, and writes nothing if none was', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const applyIfDue = () => core.timeline.applyIfDue(core.accounts.get(id));
    expect(applyIfDue()).toBe(false);
    core.tasks.submit(id, [buildOrder({ seconds: 10 })]);
    expect(applyIfDue()).toBe(false);
    expect(core.transactions.hasPendingBatch()).toBe(true);
    core.clock.advance(10_000);
    expect(applyIfDue()).toBe(true);
    expect(core.tasks.list(id, 1)[0]!.status).toBe('completed');
  });
});

describe('events of clock and speed', () => {
  it('are emitted for each change, and not for an advance that does not move the clock', async () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'frozen' } }));
    await core.transactions.committed();
    const events: CoreEvent[] = [];
    core.events.listen((event) => void events.push(event));
    const change = async (work: () => void) => {
      work();
      await core.transactions.committed();
      return events.splice(0);
    };
    const [clock, changed] = (['clock', 'changed'] as const).map((change) => ({
      type: 'account',
      accountId: id,
      change,
    }));
    expect(await change(() => core.timeline.advance(id, 1))).toEqual([clock]);
    expect(await change(() => core.timeline.advance(id, 0))).toEqual([]);
    expect(await change(() => core.timeline.setClock(id, 'auto'))).toEqual([clock]);
    expect(await change(() => core.timeline.setSpeed(id, 2))).toEqual([changed]);
  });
});

describe('changing the clock', () => {
  it('changes neither mode nor time when a transition on the way fails', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    core.tasks.submit(id, [buildOrder({ seconds: 10 })]);
    core.transactions.flush();
    core.db.exec("CREATE TRIGGER broken BEFORE UPDATE ON tasks BEGIN SELECT RAISE(ABORT, 'a full disk'); END");
    const before = core.accounts.get(id);
    expect(() => core.timeline.setClock(id, 'frozen', core.clock.nowMs() + 60_000)).toThrow('a full disk');
    expect(core.accounts.get(id)).toEqual(before);
  });

  it('preserves the remaining simulated time of running tasks', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ speed: 60 }));
    core.tasks.submit(account.id, [buildOrder({ seconds: 120 })]);
    core.clock.advance(1000);
    core.timeline.setClock(account.id, 'frozen');
    expect(core.timeline.advance(account.id, 59_999)).toEqual([]);
    expect(core.timeline.advance(account.id, 1)).toHaveLength(1);
  });

  it('lets the worker process a frozen account again when its clock becomes real', () => {
    const core = createTestCore();
    const account = core.accounts.create(
      'k',
      'seed',
      buildProfile({ clock: { mode: 'frozen', nowMs: 1000 }, speed: 10 }),
    );
    core.tasks.submit(account.id, [buildOrder({ seconds: 100 })]);
    core.timeline.setClock(account.id, 'real');
    core.clock.advance(9999);
    expect(core.worker.tick()).toBe(0);
    core.clock.advance(1);
    expect(core.worker.tick()).toBe(1);
  });

  it('advances to a given time and applies the transitions on the way', () => {
    const core = createTestCore();
    const account = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'frozen', nowMs: 0 } }));
    const [task] = core.tasks.submit(account.id, [buildOrder({ seconds: 100 })]);
    core.timeline.setClock(account.id, 'auto', 200_000);
    expect(core.tasks.find(account.id, task!.id)).toMatchObject({
      status: 'completed',
      finishedAtMs: 100_000,
    });
    expect(core.accounts.get(account.id)).toMatchObject({ clockMode: 'auto', clockMs: 200_000 });
  });
});

describe('clock under random advances', () => {
  it('ends every task at the same time, regardless of how the total advance is split', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 40 });
    const { steps } = THREE_STEPS;
    const template = fc.record({
      typicalSeconds: fc.integer({ min: 1, max: 300 }).map((seconds) => [seconds, seconds] as const),
      steps: fc.constantFrom(steps, [{ name: 'generating', share: 1 }]),
    });
    const templates = fc.array(template, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(pieces, templates, fc.boolean(), (moves, tasks, chained) => {
        const run = (advances: number[]) => {
          const core = createTestCore();
          const { id } = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'frozen', nowMs: 0 } }));
          core.tasks.submit(
            id,
            tasks.map((template) => buildOrder({ template })),
            { chained },
          );
          const transitions = advances.flatMap((ms) => core.timeline.advance(id, ms));
          const state = core.tasks.list(id, 100).map(({ status, finishedAtMs }) => [status, finishedAtMs]);
          core.close();
          return { seen: transitions, state };
        };
        const total = moves.reduce((one, other) => one + other, 0);
        expect(run(moves)).toEqual(run([total]));
      }),
      { numRuns: 60 },
    );
  });
});

describe('chained tasks', () => {
  const chain = () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const ids = core.tasks
      .submit(id, [buildOrder(), buildOrder(), buildOrder()], { chained: true })
      .map((task) => task.id);
    const states = () =>
      ids.map((taskId) => core.tasks.find(id, taskId)!).map((task) => [task.status, task.startedAtMs]);
    return { core, id, ids, states };
  };

  it('have no simulated time while they wait', () => {
    const { core, id, ids } = chain();
    core.clock.advance(1000);
    expect(ids.map((taskId) => core.tasks.elapsedMs(core.tasks.find(id, taskId)!))).toEqual([1000, 0, 0]);
  });

  it('keep their order when a waiting task in the middle is ended manually', () => {
    const { core, id, ids, states } = chain();
    const [[, startMs]] = states() as [[string, number]];
    core.tasks.fail(id, ids[1]!, 'BY_HAND');
    expect(states()).toEqual([
      ['processing', startMs],
      ['failed', null],
      ['processing', null],
    ]);
    core.clock.advance(100_000);
    core.worker.tick();
    expect(states()).toEqual([
      ['completed', startMs],
      ['failed', null],
      ['processing', startMs + 100_000],
    ]);
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('start as soon as their predecessor is ended manually', () => {
    const { core, id, ids, states } = chain();
    core.clock.advance(30_000);
    core.tasks.complete(id, ids[0]!);
    expect(states()[1]).toEqual(['processing', core.clock.nowMs()]);
    core.clock.advance(100_000);
    expect(core.worker.tick()).toBe(1);
  });
});

describe('due transitions', () => {
  const overdue = (overrides = {}) => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 8, ...overrides }));
    const [task] = core.tasks.submit(id, [
      buildOrder({ seconds: 10, overrides: () => ({ outcome: { status: 'failed', errorCode: 'X' } }) }),
    ]);
    core.clock.advance(15_000);
    return { core, id, task: task! };
  };

  it('are applied before a submission: a refund can be spent and ledger entries stay in chronological order', () => {
    const { core, id } = overdue({ credits: 4 });
    core.tasks.submit(id, [buildOrder()]);
    const entries = core.ledger.entries(id, 10);
    expect(entries.map(({ kind }) => kind)).toEqual(['grant', 'hold', 'refund', 'hold']);
    expect(entries.map(({ atMs }) => atMs)).toEqual(entries.map(({ atMs }) => atMs).sort());
  });

  it('are applied before a task is ended manually', () => {
    const { core, id, task } = overdue();
    expect(core.tasks.complete(id, task.id)).toBe(false);
    expect(core.tasks.find(id, task.id)).toMatchObject({
      status: 'failed',
      finishedAtMs: task.createdAtMs + 10_000,
    });
  });

  it('are applied before a change of the clock', () => {
    const { core, id, task } = overdue();
    core.timeline.setClock(id, 'frozen');
    expect(core.tasks.find(id, task.id)).toMatchObject({
      status: 'failed',
      finishedAtMs: task.createdAtMs + 10_000,
    });
  });

  it('are applied before the next transition is determined', () => {
    const { core, id } = overdue();
    const nowMs = core.clock.nowMs();
    expect(core.timeline.advanceToNext(id)).toEqual([]);
    expect(core.timeline.nowMs(core.accounts.get(id))).toBe(nowMs);
  });

  it('are applied before a poll, including those of the predecessor of the polled task', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const [, second] = core.tasks.submit(id, [buildOrder({ seconds: 10 }), buildOrder({ seconds: 10 })], {
      chained: true,
    });
    core.clock.advance(20_000);
    expect(core.timeline.poll(id, [second!.id])[0]!.status).toBe('completed');
  });
});

describe('a task that hangs', () => {
  it('stays in its last step until it is ended manually', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ speed: 10 }));
    const overrides = () => ({ outcome: { status: 'hangs' } }) as const;
    const [task] = core.tasks.submit(id, [buildOrder({ template: THREE_STEPS, overrides })]);
    core.clock.advance(1_000_000);
    expect(core.timeline.applyDue(id).map(({ to }) => to)).toEqual(['image', 'video']);
    const hanging = core.tasks.find(id, task!.id)!;
    expect(hanging).toMatchObject({ status: 'processing', step: 2, dueAtMs: null });
    expect(core.tasks.elapsedMs(hanging)).toBe(10_000_000);
    expect(core.tasks.complete(id, task!.id)).toBe(true);
    core.clock.advance(1000);
    const ended = core.tasks.find(id, task!.id)!;
    expect(ended).toMatchObject({ status: 'completed', simulatedMs: 10_000_000 });
    expect(core.tasks.elapsedMs(ended)).toBe(10_000_000);
  });
});

describe('a task that is ended manually', () => {
  it('is reported with the transitions of all others', async () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    const events: CoreEvent[] = [];
    core.events.listen((event) => void (event.type === 'task' && events.push(event)));
    const [waiting, running] = core.tasks.submit(id, [buildOrder(), buildOrder()]).toReversed();
    core.tasks.fail(id, waiting!.id, 'X');
    core.clock.advance(100_000);
    core.worker.tick();
    await core.transactions.committed();
    const { createdAtMs } = running!;
    const transitions = [
      { taskId: running!.id, from: 'created', to: 'processing', atMs: createdAtMs },
      { taskId: waiting!.id, from: 'created', to: 'processing', atMs: createdAtMs },
      { taskId: waiting!.id, from: 'processing', to: 'failed', atMs: createdAtMs },
      { taskId: running!.id, from: 'processing', to: 'completed', atMs: createdAtMs + 100_000 },
    ];
    expect(events).toEqual(transitions.map((transition) => ({ type: 'task', accountId: id, transition })));
  });

  it('must exist, and so must its account', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    expect(core.tasks.complete(id, 'task_unknown')).toBe(false);
    const [task] = core.tasks.submit(id, [buildOrder()]);
    core.resets.remove(id);
    expect(core.tasks.complete(id, task!.id)).toBe(false);
  });

  it('reports its simulated time so far, across changes of clock and speed', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ speed: 60 }));
    const [task] = core.tasks.submit(id, [buildOrder({ seconds: 120 })]);
    core.clock.advance(1000);
    core.timeline.setClock(id, 'frozen');
    core.timeline.advance(id, 10_000);
    core.tasks.complete(id, task!.id);
    expect(core.tasks.find(id, task!.id)!.simulatedMs).toBe(70_000);
  });
});

describe('a task that is ended manually right after its submission', () => {
  it('reports a simulated time of 0, although its wait was rounded to milliseconds', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ speed: 60 }));
    // 166 s at speed 60 are 2766.67 ms.
    const [task] = core.tasks.submit(id, [buildOrder({ seconds: 166 })]);
    core.tasks.complete(id, task!.id);
    expect(core.tasks.find(id, task!.id)!.simulatedMs).toBe(0);
  });
});

describe('advancing the clock', () => {
  it('is rolled back when a transition on the way fails', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ clock: { mode: 'frozen', nowMs: 0 } }));
    core.tasks.submit(id, [buildOrder({ seconds: 10 }), buildOrder({ seconds: 20 })]);
    core.db.exec(`CREATE TRIGGER full BEFORE INSERT ON ledger_entries WHEN NEW.seq > 4
                  BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`);
    expect(() => core.timeline.advance(id, 30_000)).toThrow('the disk is full');
    expect(core.accounts.get(id).clockMs).toBe(0);
    expect(core.tasks.list(id, 10).map(({ status }) => status)).toEqual(['processing', 'processing']);
    core.db.exec('DROP TRIGGER full');
    expect(core.timeline.advance(id, 30_000)).toHaveLength(2);
  });

  it('stops at the last transition of the transaction before the one that fails', () => {
    const core = createTestCore();
    const { id } = core.accounts.create(
      'k',
      'seed',
      buildProfile({ credits: 10_000, clock: { mode: 'frozen', nowMs: 0 } }),
    );
    core.tasks.submit(
      id,
      Array.from({ length: 600 }, (_, index) => buildOrder({ seconds: index + 1 })),
    );
    core.db.exec(`CREATE TRIGGER full BEFORE UPDATE ON tasks WHEN NEW.seq = 550
                  BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`);
    expect(() => core.timeline.advance(id, 600_000)).toThrow('the disk is full');
    expect(core.accounts.get(id).clockMs).toBe(500_000);
    expect(core.tasks.list(id, 1, 500)[0]!.status).toBe('processing');
  });

  it('applies any number of transitions', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 10_000 }));
    core.tasks.submit(
      id,
      Array.from({ length: 1200 }, () => buildOrder({ seconds: 10 })),
    );
    core.clock.advance(10_000);
    expect(core.timeline.applyDue(id)).toHaveLength(1200);
    expect(core.accounts.get(id).wakeAtMs).toBeNull();
  });

  it('applies the transitions of many tasks in the order of their due times and numbers', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile({ credits: 10_000 }));
    // The steps of short tasks end before, at and after those of long ones with higher and lower numbers.
    for (const seconds of [30, 60, 50, 40, 20, 10, 30, 60]) {
      const template = { ...THREE_STEPS, typicalSeconds: [seconds, seconds] as const };
      core.tasks.submit(
        id,
        Array.from({ length: 50 }, () => buildOrder({ template })),
      );
    }
    const transitions = core.timeline.advance(id, 100_000);
    expect(transitions).toHaveLength(1200);
    const places = transitions.map(({ atMs, taskId }) => [atMs, core.tasks.find(id, taskId)!.seq] as const);
    expect(places).toEqual(places.toSorted(([oneMs, one], [otherMs, other]) => oneMs - otherMs || one - other));
    expect(core.ledger.verify(id)).toEqual([]);
  });
});
