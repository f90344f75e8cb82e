import type { Account, Task } from '../client/types.ts';
import { formatDuration } from './components/format.ts';
import { isReadOnly } from './state/read-only.ts';

/** The account's time, `sinceMs` of wall time after the account was read. */
export const accountNowMs = ({ clock }: Account, sinceMs: number): number =>
  Date.parse(clock.now) + (clock.mode === 'real' && !isReadOnly() ? Math.max(0, sinceMs) : 0);

/** Simulated milliseconds per millisecond of the account's clock; `speed` only applies to real clocks. */
const timeScale = ({ clock, speed }: Account) => (clock.mode === 'real' ? speed : 1);

const stepIndex = ({ plan, step }: Task) => plan.steps.findIndex(({ name }) => name === step);
/** The end of the task's current step, in simulated milliseconds from the start of the plan. */
const stepEndMs = (task: Task) => task.plan.steps[stepIndex(task) + 1]?.atMs ?? task.plan.endMs;

/** How far a task is in its plan, in simulated milliseconds. */
export function simulatedMs(task: Task, account: Account, nowMs: number): number {
  const { status, dueAt, plan } = task;
  if (status !== 'processing') return task.simulatedMs ?? plan.endMs;
  const stepAtMs = plan.steps[stepIndex(task)]?.atMs ?? 0;
  // A hanging task stays at the start of its step.
  if (dueAt === null) return stepAtMs;
  const leftMs = (Date.parse(dueAt) - nowMs) * timeScale(account);
  return Math.min(stepEndMs(task), Math.max(stepAtMs, stepEndMs(task) - leftMs));
}

/** When a task will finish on its account's clock; undefined if its plan never ends or it has already finished. */
export function endsAtMs(task: Task, account: Account): number | undefined {
  if (task.status !== 'processing' || task.dueAt === null || task.plan.outcome.status === 'hangs') return undefined;
  const restMs = (task.plan.endMs - stepEndMs(task)) / timeScale(account);
  return Date.parse(task.dueAt) + Math.ceil(restMs);
}

/** How long a shot waited for the shots before it until it started, on its account's clock. */
export const waitMs = (task: Task, account: Account): number =>
  task.family === 'veo-3' && task.finishedAt !== null && task.simulatedMs !== null
    ? Math.max(
        0,
        Date.parse(task.finishedAt) - Date.parse(task.createdAt) - Math.ceil(task.simulatedMs / timeScale(account)),
      )
    : 0;

/** When a shot that starts at `startMs` will finish. */
export const endOfShotMs = ({ plan }: Task, account: Account, startMs: number): number =>
  startMs + Math.ceil(plan.endMs / timeScale(account));

/** The latest time to which the control plane advances a clock. */
const MAX_CLOCK_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** How far to advance the clock until all of these tasks have finished; undefined if none of them ever will. */
export function untilEndMs(tasks: readonly Task[], account: Account, nowMs: number): number | undefined {
  const ends = tasks.flatMap((task) => {
    const endMs = endsAtMs(task, account);
    return endMs === undefined || endMs > MAX_CLOCK_MS ? [] : endMs;
  });
  // Steps begin at whole milliseconds, so each may be rounded up by one: add a margin.
  const lastEndMs = ends.reduce((latest, one) => Math.max(latest, one), Number.NEGATIVE_INFINITY);
  return ends.length === 0 ? undefined : Math.max(0, Math.ceil(lastEndMs - nowMs) + 10);
}

/** The text by which a person recognizes a task: its prompt, or what takes the place of one. */
export function summarize({ input }: Task): string {
  const text =
    input.prompt ?? input.topic ?? input.adTheme ?? input.videoUrl ?? input.videoFileName ?? input.share_link;
  return typeof text === 'string' ? text : JSON.stringify(input);
}

/** Whether a running task is a shot that has not started. Other tasks without a due time end with their request. */
export const isWaitingShot = ({ family, status, dueAt, plan }: Task): boolean =>
  family === 'veo-3' && status === 'processing' && dueAt === null && plan.outcome.status !== 'hangs';

/**
 * Describes a task's current step and progress, or its outcome.
 * @param previousShot The task for which a shot waits, if it is known
 */
export function describeState(task: Task, account: Account, nowMs: number, previousShot?: Task): string {
  const { status, step, plan, result } = task;
  if (status === 'completed') return `completed in ${formatDuration(task.simulatedMs ?? 0)}`;
  if (status === 'failed') return `failed${task.price > 0 ? ', refunded' : ''}: ${result?.errorCode ?? ''}`;
  const elapsedMs = simulatedMs(task, account, nowMs);
  const stepName = step ?? 'processing';
  if (task.dueAt === null && plan.outcome.status === 'hangs') return `${stepName}, hangs`;
  // Shots are generated one after the other.
  if (isWaitingShot(task)) return `waits for ${previousShot ? `shot ${previousShot.input.id}` : 'an earlier shot'}`;
  if (task.dueAt === null) return stepName;
  return `${stepName} · ${Math.floor((elapsedMs / Math.max(1, plan.endMs)) * 100)} %`;
}
