import type { Account, Task } from '../client/types.ts';

/** What time it is for an account, `sinceMs` of wall time after it was read. */
export const accountNowMs = ({ clock }: Account, sinceMs: number): number =>
  Date.parse(clock.now) + (clock.mode === 'real' ? Math.max(0, sinceMs) : 0);

/** Simulated milliseconds in one of the account's: `speed` plays a part on real clocks alone. */
const timeScale = ({ clock, speed }: Account) => (clock.mode === 'real' ? speed : 1);

const stepIndex = ({ plan, step }: Task) => plan.steps.findIndex(({ name }) => name === step);
/** When the step ends that it is in, in simulated time. */
const stepEndMs = (task: Task) => task.plan.steps[stepIndex(task) + 1]?.atMs ?? task.plan.endMs;

/** How much of its plan a task has behind it, in simulated milliseconds. */
export function simulatedMs(task: Task, account: Account, nowMs: number): number {
  const { status, dueAt, plan } = task;
  if (status !== 'processing') return task.simulatedMs ?? plan.endMs;
  const stepAtMs = plan.steps[stepIndex(task)]?.atMs ?? 0;
  // One that hangs has nothing before it.
  if (dueAt === null) return stepAtMs;
  const leftMs = (Date.parse(dueAt) - nowMs) * timeScale(account);
  return Math.min(stepEndMs(task), Math.max(stepAtMs, stepEndMs(task) - leftMs));
}

/** When a task will have ended on its account's clock; undefined: never, as far as its plan goes. */
export function endsAtMs(task: Task, account: Account): number | undefined {
  if (task.status !== 'processing' || task.dueAt === null || task.plan.outcome.status === 'hangs') return undefined;
  const restMs = (task.plan.endMs - stepEndMs(task)) / timeScale(account);
  return Date.parse(task.dueAt) + Math.ceil(restMs);
}

/** No clock can be advanced beyond it. */
const MAX_CLOCK_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** By how much to advance so that all of these have ended; undefined: none of them will. */
export function untilEndMs(tasks: readonly Task[], account: Account, nowMs: number): number | undefined {
  const ends = tasks.flatMap((task) => {
    const endMs = endsAtMs(task, account);
    return endMs === undefined || endMs > MAX_CLOCK_MS ? [] : endMs;
  });
  // A step begins at a whole millisecond, and each can be rounded up.
  const lastEndMs = ends.reduce((latest, one) => Math.max(latest, one), Number.NEGATIVE_INFINITY);
  return ends.length === 0 ? undefined : Math.max(0, Math.ceil(lastEndMs - nowMs) + 10);
}
