import { describe, expect, it } from 'vitest';
import { buildOrder, buildProfile, createTestCore, type TestCore } from '../../support/core.ts';
import { createTestClock } from '../../support/test-clock.ts';

const createAccount = (core: TestCore, key = 'k') =>
  core.accounts.create(key, 'seed', buildProfile({ credits: 100_000 })).id;

const submit = (core: TestCore, accountId: number, overrides: Parameters<typeof buildOrder>[0] = {}) =>
  core.tasks.submit(accountId, [buildOrder(overrides)])[0]!;

const toIds = (tasks: { id: string }[]) => tasks.map(({ id }) => id);

describe('tasks of all accounts', () => {
  it('are found by id and family in accounts and forks, but not in snapshots', () => {
    const core = createTestCore();
    const id = createAccount(core);
    const task = submit(core, id);
    core.snapshots.take(id, 's');
    const fork = core.snapshots.fork(id, 'fork');
    const found = core.tasks.findAcrossAccounts('sora-2', 'id', task.id);
    expect(found).toEqual([task, { ...task, accountId: fork.id }]);
    expect(core.tasks.findAcrossAccounts('veo-3', 'id', task.id)).toEqual([]);
    expect(core.tasks.existsAnywhere(task.id, 'sora-2')).toBe(true);
    expect(core.tasks.existsAnywhere(task.id, 'veo-3')).toBe(false);
    expect(core.tasks.existsAnywhere('task_unknown', 'sora-2')).toBe(false);
  });

  it("are found by the client's own id only if they are synchronous and completed, at most ten, newest first", () => {
    const core = createTestCore();
    const id = createAccount(core);
    const order = buildOrder({ clientRef: 'mine' });
    core.tasks.complete(id, submit(core, id, { clientRef: 'mine' }).id);
    core.tasks.fail(id, core.tasks.submitSynchronous(id, order).id, 'X');
    core.tasks.submitSynchronous(id, order);
    const completed = Array.from({ length: 11 }, () => {
      const task = core.tasks.submitSynchronous(id, order);
      core.clock.advance(1);
      core.tasks.complete(id, task.id);
      return task;
    });
    const find = (family: string, clientRef: string) =>
      toIds(core.tasks.findAcrossAccounts(family, 'clientRef', clientRef));
    expect(find('sora-2', 'mine')).toEqual(toIds(completed.toReversed().slice(0, 10)));
    expect([find('veo-3', 'mine'), find('sora-2', 'other')]).toEqual([[], []]);
  });

  it('are counted by family and status without snapshots, and by account with snapshots', () => {
    const core = createTestCore();
    const [one, other] = [createAccount(core, 'one'), createAccount(core, 'other')];
    submit(core, one);
    core.tasks.fail(one, submit(core, one).id, 'X');
    core.tasks.complete(other, submit(core, other, { family: 'veo-3' }).id);
    core.snapshots.take(one, 's');
    expect(core.tasks.counts()).toEqual([
      { family: 'sora-2', status: 'failed', count: 1 },
      { family: 'sora-2', status: 'processing', count: 1 },
      { family: 'veo-3', status: 'completed', count: 1 },
    ]);
    expect(core.tasks.countsByAccount()).toEqual([
      { accountId: one, processing: 1, failed: 1 },
      { accountId: other, processing: 0, failed: 0 },
      { accountId: other + 1, processing: 1, failed: 1 },
    ]);
  });
});

describe('tasks of an account', () => {
  it('are counted by status and error code, the most frequent code first', () => {
    const core = createTestCore();
    const id = createAccount(core);
    submit(core, id);
    for (const code of ['X', 'Y', 'Y']) core.tasks.fail(id, submit(core, id).id, code);
    expect(core.tasks.outcomes(id)).toEqual([
      { status: 'failed', errorCode: 'Y', count: 2 },
      { status: 'failed', errorCode: 'X', count: 1 },
      { status: 'processing', errorCode: null, count: 1 },
    ]);
  });

  it('have the bodies of their requests, which other accounts cannot read', () => {
    const core = createTestCore();
    const [one, other] = [createAccount(core, 'one'), createAccount(core, 'other')];
    const { id } = submit(core, one, { input: { prompt: 'b', list: [1] } });
    expect(core.tasks.getInput(one, id)).toEqual({ prompt: 'b', list: [1] });
    expect(core.tasks.getInput(other, id)).toBeUndefined();
  });

  it('are interrupted only if they are synchronous, and only those of the given account', () => {
    const core = createTestCore();
    const [one, other] = [createAccount(core, 'one'), createAccount(core, 'other')];
    const [task, stream, kept] = [
      submit(core, one),
      core.tasks.submitSynchronous(one, buildOrder()),
      core.tasks.submitSynchronous(other, buildOrder()),
    ];
    expect(core.tasks.failInterrupted(one)).toBe(1);
    expect(core.tasks.find(one, stream.id)).toMatchObject({ status: 'failed', errorCode: 'INTERNAL_ERROR' });
    expect(core.tasks.find(one, task.id)!.status).toBe('processing');
    expect(core.tasks.find(other, kept.id)!.status).toBe('processing');
    expect(core.tasks.failInterrupted()).toBe(1);
    expect(core.tasks.failInterrupted()).toBe(0);
  });
});

describe('a submission', () => {
  it.each([
    ['inputs are large', 1, 5 * 1024 * 1024],
    ['tasks are many', 5000, 0],
  ])('is refused if it exceeds the memory budget because its %s', (_reason, count, inputBytes) => {
    const core = createTestCore(createTestClock(), undefined, { memoryBudgetMb: 8 });
    const id = createAccount(core);
    const orders = Array.from({ length: count }, () => buildOrder({ input: 'x'.repeat(inputBytes) }));
    expect(() => core.tasks.submit(id, orders)).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
    expect(core.tasks.list(id, 1)).toEqual([]);
  });
});

describe('an eviction', () => {
  const countTasks = (core: TestCore, id: number) => core.tasks.list(id, 1000).length;

  /** Completes `count` tasks, each with an input of `bytes`. */
  function completeTasks(core: TestCore, id: number, count: number, bytes = 0) {
    return Array.from({ length: count }, () => {
      const task = submit(core, id, { input: 'x'.repeat(bytes) });
      core.tasks.complete(id, task.id);
      return task;
    });
  }

  it('removes up to 64 finished tasks, oldest first, also from the cache, and returns whether there were any', () => {
    const core = createTestCore();
    const id = createAccount(core);
    expect(core.tasks.evictOldest()).toBe(false);
    const running = submit(core, id);
    const [first, ...others] = completeTasks(core, id, 66);
    expect(core.tasks.evictOldest()).toBe(true);
    expect(core.tasks.find(id, first!.id)).toBeUndefined();
    expect(toIds(core.tasks.list(id, 1000))).toEqual(toIds([running, ...others.slice(-2)]));
    expect([core.tasks.evictOldest(), core.tasks.evictOldest()]).toEqual([true, false]);
    expect(countTasks(core, id)).toBe(1);
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('ends with the task that brings the evicted inputs to one mebibyte', () => {
    const core = createTestCore();
    const id = createAccount(core);
    // JSON adds two quotes to the text.
    completeTasks(core, id, 6, 256 * 1024 - 2);
    core.tasks.evictOldest();
    expect(countTasks(core, id)).toBe(2);
  });

  it('continues after the last evicted task, and starts again when none follows, or with every 16th eviction', () => {
    const core = createTestCore();
    const id = createAccount(core);
    const tasks = Array.from({ length: 20 }, () => submit(core, id));
    /** Completes a task, evicts, and returns which of the tasks are left. */
    const evictAfter = (index: number) => {
      core.tasks.complete(id, tasks[index]!.id);
      core.tasks.evictOldest();
      return toIds(core.tasks.list(id, 20)).map((taskId) => tasks.findIndex((task) => task.id === taskId));
    };
    const without = (...evicted: number[]) => [...tasks.keys()].filter((index) => !evicted.includes(index));
    expect(evictAfter(1)).toEqual(without(1));
    expect(evictAfter(0)).toEqual(without(0, 1));
    expect(evictAfter(3)).toEqual(without(0, 1, 3));
    core.tasks.complete(id, tasks[2]!.id);
    for (let index = 4; index < 16; index += 1) expect(evictAfter(index)).toContain(2);
    expect(evictAfter(16)).toEqual([17, 18, 19]);
  });
});
