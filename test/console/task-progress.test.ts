import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Account, Task } from '../../src/client/types.ts';
import { readOnlyPath } from '../../src/console/state/read-only.ts';
import { accountNowMs, endsAtMs, simulatedMs, untilEndMs } from '../../src/console/task-progress.ts';
import { createTestEmulator, type TestEmulator } from '../support/emulator.ts';

const ORDERS = [
  ['/api/sora-2/generate', { prompt: 'a dog', mode: 'textToVideo' }],
  ['/api/nano-banana-2/generate', { prompt: 'a dog', mode: 'generate' }],
  ['/api/sora-2-tvc/generate', { adTheme: 'tea' }],
] as const;

async function startTasks(mode: 'real' | 'frozen', speed: number) {
  const emulator = await createTestEmulator();
  await emulator.post('/__admin/accounts', { key: 'k', clock: mode, speed, rateLimit: null }, null);
  for (const [path, body] of ORDERS) expect((await emulator.post(path, body, 'k')).status).toBe(200);
  return emulator;
}
const readState = async ({ get }: TestEmulator) => {
  const account: Account = (await get('/__admin/accounts/k')).body;
  const { tasks }: { tasks: Task[] } = (await get('/__admin/accounts/k/tasks')).body;
  return { account, tasks, nowMs: accountNowMs(account, 0) };
};
const advance = ({ post }: TestEmulator, ms: number) => post('/__admin/accounts/k/clock/advance', { ms }, null);

const clocks = fc.tuple(fc.constantFrom('real', 'frozen'), fc.constantFrom(0.5, 1, 7, 60, 1000)) as fc.Arbitrary<
  ['real' | 'frozen', number]
>;

describe('simulatedMs', () => {
  it('grows with the clock from 0 to the length of the plan, and matches the emulator at the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        clocks,
        fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 6 }),
        async (clock, moves) => {
          const emulator = await startTasks(...clock);
          let before = [0, 0, 0];
          for (const ms of [0, ...moves]) {
            await advance(emulator, ms);
            const { account, tasks, nowMs } = await readState(emulator);
            const done = tasks.map((task) => simulatedMs(task, account, nowMs));
            done.forEach((doneMs, index) => {
              const { status, plan } = tasks[index]!;
              expect(doneMs).toBeGreaterThanOrEqual(before[index]!);
              expect(doneMs).toBeLessThanOrEqual(plan.endMs);
              if (status !== 'processing') expect(doneMs).toBe(plan.endMs);
            });
            before = done;
          }
        },
      ),
      { numRuns: 12 },
    );
  });

  it('progresses between two reads on a real clock, but not on a frozen one', async () => {
    for (const [mode, moves] of [
      ['real', true],
      ['frozen', false],
    ] as const) {
      const { account, tasks } = await readState(await startTasks(mode, 2));
      const at = (sinceMs: number) => simulatedMs(tasks[0]!, account, accountNowMs(account, sinceMs));
      expect(at(0)).toBe(0);
      expect(at(5000)).toBe(moves ? 10_000 : 0);
    }
  });

  it('does not progress for a hanging task', async () => {
    const emulator = await startTasks('frozen', 1);
    await emulator.post('/api/sora-2/generate', { prompt: 'a @emulator(hang)', mode: 'textToVideo' }, 'k');
    await advance(emulator, 10_000_000);
    const { account, tasks, nowMs } = await readState(emulator);
    expect(simulatedMs(tasks[3]!, account, nowMs)).toBe(0);
    expect(endsAtMs(tasks[3]!, account)).toBeUndefined();
    expect(untilEndMs(tasks, account, nowMs)).toBeUndefined();
  });
});

describe('endsAtMs and untilEndMs', () => {
  it('treat an end beyond the latest time of a clock as never', async () => {
    const emulator = await startTasks('frozen', 1);
    const { account, tasks, nowMs } = await readState(emulator);
    const [task] = tasks;
    const far = { ...task!, dueAt: '+010000-01-01T00:00:00.000Z' };
    expect(untilEndMs([far], account, nowMs)).toBeUndefined();
    expect(untilEndMs([far, task!], account, nowMs)).toBe(untilEndMs([task!], account, nowMs));
  });

  it('match the time at which the emulator finishes the tasks', async () => {
    await fc.assert(
      fc.asyncProperty(clocks, fc.integer({ min: 0, max: 20_000 }), async (clock, passedMs) => {
        const emulator = await startTasks(...clock);
        await advance(emulator, passedMs);
        const { account, tasks, nowMs } = await readState(emulator);
        const ends = tasks.map((task) => endsAtMs(task, account));
        const last = Math.max(...ends.map((end) => end ?? 0));
        if (last === 0) return;
        // Allow for rounding: steps begin at whole milliseconds of a real clock.
        await advance(emulator, Math.max(0, last - nowMs - 5));
        const before = await readState(emulator);
        expect(before.tasks[ends.indexOf(last)]!.status).toBe('processing');
        await advance(emulator, untilEndMs(before.tasks, before.account, before.nowMs)!);
        const after = await readState(emulator);
        expect(after.tasks.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
      }),
      { numRuns: 12 },
    );
  });
});

describe('accountNowMs', () => {
  it('follows the wall clock only on a real clock, and not if the emulator is read-only', () => {
    onTestFinished(() => {
      readOnlyPath.value = undefined;
    });
    const nowMs = Date.UTC(2026, 0, 15);
    const at = (mode: 'real' | 'frozen') =>
      accountNowMs({ clock: { mode, now: new Date(nowMs).toISOString() } } as Account, 1000) - nowMs;
    expect([at('real'), at('frozen')]).toEqual([1000, 0]);
    readOnlyPath.value = 'state.json';
    expect([at('real'), at('frozen')]).toEqual([0, 0]);
  });
});
