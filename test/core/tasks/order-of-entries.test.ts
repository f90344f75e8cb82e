import { describe, expect, it } from 'vitest';
import { buildOrder, buildProfile, createTestCore } from '../../support/core.ts';
import { createTestClock } from '../../support/test-clock.ts';

describe('ledger entries on a clock that moves on while they are written', () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7])('are ordered by time when a task is due %d ms after them', (dueMs) => {
    const clock = createTestClock();
    const { nowMs } = clock;
    let msPerRead = 0;
    const core = createTestCore({
      ...clock,
      nowMs: () => {
        clock.set(nowMs() + msPerRead);
        return nowMs();
      },
    });
    const { id } = core.accounts.create('k', 'control', buildProfile());
    const actions = [
      () => core.tasks.submit(id, [buildOrder()]),
      () => core.tasks.complete(id, core.tasks.list(id, 100, 0, 'processing').at(-1)!.id),
      () => core.ledger.grant(id, 1, 'more', core.tasks.catchUp(id)),
    ];
    for (const act of actions) {
      msPerRead = 0;
      core.tasks.submit(id, [buildOrder({ seconds: 100 })]);
      core.tasks.submit(id, [buildOrder({ seconds: 200 })]);
      clock.set(nowMs() + 100_000 - dueMs);
      msPerRead = 3;
      act();
      core.timeline.applyDue(id);
    }
    const times = core.ledger.entries(id, 100).map(({ atMs }) => atMs);
    expect(times.length).toBeGreaterThan(10);
    expect(times).toEqual([...times].sort((one, other) => one - other));
  });
});
