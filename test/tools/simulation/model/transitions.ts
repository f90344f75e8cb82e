import {
  type AccountState,
  type Emit,
  isRunning,
  type Mode,
  type ModelTask,
  type ModelTransition,
  record,
  scaleOf,
  timeOf,
} from './account-model.ts';

/** Returns when the next step of a task begins, or its end; null when it never does. */
const nextMs = ({ steps, step, outcome, endMs }: ModelTask): number | null =>
  steps[step + 1]?.atMs ?? (outcome === 'hangs' ? null : endMs);

export function dueAfter(state: AccountState, task: ModelTask, at: number): number | null {
  const next = nextMs(task);
  return next === null ? null : at + Math.round((next - task.steps[task.step]!.atMs) / scaleOf(state));
}

export function earliestDue(state: AccountState): ModelTask | undefined {
  let earliest: ModelTask | undefined;
  for (const task of state.tasks) {
    if (!isRunning(task) || task.dueAt === null) continue;
    if (!earliest || task.dueAt < earliest.dueAt!) earliest = task;
  }
  return earliest;
}

/** Applies all transitions due by `untilMs`, each at its own time. */
export function applyUntil(state: AccountState, untilMs: number, emit: Emit): ModelTransition[] {
  const transitions: ModelTransition[] = [];
  for (;;) {
    const task = earliestDue(state);
    if (!task || task.dueAt! > untilMs) return transitions;
    const at = task.dueAt!;
    const from = task.steps[task.step]!;
    const to = task.steps[task.step + 1];
    if (to) {
      task.step += 1;
      task.dueAt = dueAfter(state, task, at);
      const transition = { taskId: task.id, from: from.name, to: to.name, at };
      transitions.push(transition);
      emit(transition);
    } else {
      const isFailed = task.outcome === 'failed';
      transitions.push(finish(state, task, isFailed ? 'GENERATION_FAILED' : null, at, task.endMs, emit));
    }
  }
}

/** Ends a task: resolves its hold, and starts the task that waits for it. */
export function finish(
  state: AccountState,
  task: ModelTask,
  errorCode: string | null,
  at: number,
  simulatedMs: number,
  emit: Emit,
): ModelTransition {
  const wasStarted = task.startedAt !== null;
  const status = errorCode === null ? 'completed' : 'failed';
  Object.assign(task, { status, errorCode, finishedAt: at, simulatedMs, dueAt: null });
  if (task.price > 0 && errorCode === null) record(state, 'capture', 0, task.id, null, at, emit);
  if (task.price > 0 && errorCode !== null) record(state, 'refund', task.price, task.id, errorCode, at, emit);
  const successor = state.tasks.find((other) => isRunning(other) && other.follows === task.seq);
  if (successor && wasStarted) {
    successor.startedAt = at;
    successor.dueAt = dueAfter(state, successor, at);
  } else if (successor) successor.follows = task.follows;
  const transition = { taskId: task.id, from: 'processing', to: status, at };
  emit(transition);
  return transition;
}

/** Simulated time that a task has run for at `now`, counted back from its next transition. */
export function elapsed(state: AccountState, task: ModelTask, now: number): number {
  if (task.startedAt === null) return 0;
  const scale = scaleOf(state);
  if (task.dueAt === null) return Math.round((now - task.startedAt) * scale);
  return Math.max(0, Math.round(nextMs(task)! - (task.dueAt - now) * scale));
}

/** Changes mode and speed; the remaining simulated time of running tasks stays the same. */
export function changeScale(state: AccountState, change: { mode?: Mode; speed?: number }, wallMs: number): void {
  const now = timeOf(state, wallMs);
  const previous = scaleOf(state);
  Object.assign(state, change);
  state.clockMs = state.mode === 'real' ? now - wallMs : now;
  const factor = previous / scaleOf(state);
  if (factor === 1) return;
  for (const task of state.tasks) {
    if (isRunning(task) && task.dueAt !== null) task.dueAt = now + Math.round((task.dueAt - now) * factor);
  }
}

/** Moves the clock to `toMs` and applies the transitions on the way. */
export function advanceTo(state: AccountState, toMs: number, wallMs: number, emit: Emit): ModelTransition[] {
  const transitions = applyUntil(state, toMs, emit);
  state.clockMs += toMs - timeOf(state, wallMs);
  return transitions;
}

/** Returns what a snapshot or fork contains: requests in progress do not belong to the copy. */
export function copyState(state: AccountState, wallMs: number, emit: Emit): AccountState {
  const copy = structuredClone(state);
  const now = timeOf(copy, wallMs);
  for (const task of copy.tasks) {
    if (task.isStream && isRunning(task)) finish(copy, task, 'INTERNAL_ERROR', now, elapsed(copy, task, now), emit);
  }
  return copy;
}
