import type { Random } from '../random.ts';

/** A family's typical task: its duration and the steps that make it up. */
export interface PlanTemplate {
  /** Range of the simulated duration in whole seconds; each task draws one. */
  typicalSeconds: readonly [min: number, max: number];
  /** Steps in order; the shares of the duration add up to 1. */
  steps: readonly { name: string; share: number }[];
}

export interface PlanStep {
  name: string;
  /** Simulated milliseconds from the task's start to this step. */
  atMs: number;
}

export type TerminalOutcome = { status: 'completed' } | { status: 'failed'; errorCode: string };
/** `hangs`: the task stays in its last step until it is ended manually. */
export type TaskOutcome = TerminalOutcome | { status: 'hangs' };

/** Replaces parts of a drawn plan. The draw happens anyway, so that overrides do not change later tasks. */
export interface PlanOverrides {
  outcome?: TaskOutcome;
  /** Simulated milliseconds. */
  durationMs?: number;
}

/** Steps, end and outcome of one task, fixed when it is created; the worker needs nothing else from the family. */
export interface Plan {
  steps: PlanStep[];
  endMs: number;
  outcome: TaskOutcome;
}

export const COMPLETED: TerminalOutcome = { status: 'completed' };
/** The error code of tasks that fail without another one. */
export const DEFAULT_FAILURE_CODE = 'GENERATION_FAILED';

/**
 * Draws a plan from a template; `outcome` is how the task ends unless `overrides` has an outcome. Durations are whole
 * seconds because the API reports generation times in seconds.
 */
export function drawPlan(
  template: PlanTemplate,
  random: Random,
  outcome: TerminalOutcome,
  overrides: PlanOverrides = {},
): Plan {
  const drawnMs = random.int(...template.typicalSeconds) * 1000;
  const endMs = overrides.durationMs ?? drawnMs;
  let elapsedShare = 0;
  const steps = template.steps.map(({ name, share }) => {
    const step = { name, atMs: Math.round(elapsedShare * endMs) };
    elapsedShare += share;
    return step;
  });
  return { steps, endMs, outcome: overrides.outcome ?? outcome };
}

/** Returns when the task leaves `step`, in simulated milliseconds from its start; null when it never does. */
export function nextTransitionMs(plan: Plan, step: number): number | null {
  const nextStepMs = plan.steps[step + 1]?.atMs;
  if (nextStepMs !== undefined) return nextStepMs;
  return plan.outcome.status === 'hangs' ? null : plan.endMs;
}
