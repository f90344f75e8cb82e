import type { Random } from '../random.ts';

/** What a family says of its tasks, as data: how long they typically take and which steps that time is made of. */
export interface PlanTemplate {
  /** Typical simulated duration in whole seconds; one is drawn between the two. */
  typicalSeconds: readonly [min: number, max: number];
  /** Shares of the duration, in order; they add up to 1. */
  steps: readonly { name: string; share: number }[];
}

export interface PlanStep {
  name: string;
  /** Simulated milliseconds from the task's start to this step. */
  atMs: number;
}

export type TerminalOutcome = { status: 'completed' } | { status: 'failed'; errorCode: string };
/** `hangs`: the plan is never played further than its last step. */
export type TaskOutcome = TerminalOutcome | { status: 'hangs' };

/** Where a plan departs from what is drawn. The draw is made all the same, so that later tasks do not depend on it. */
export interface PlanOverrides {
  outcome?: TaskOutcome;
  /** Simulated. */
  durationMs?: number;
}

/** Fixed when the task is created; the worker plays it and needs to know nothing else of the family. */
export interface Plan {
  steps: PlanStep[];
  endMs: number;
  outcome: TaskOutcome;
}

export const COMPLETED: TerminalOutcome = { status: 'completed' };

/** Whole seconds, because the API tells generation times in whole seconds. */
export function drawPlan(template: PlanTemplate, random: Random, overrides: PlanOverrides = {}): Plan {
  const drawnMs = random.int(...template.typicalSeconds) * 1000;
  const endMs = overrides.durationMs ?? drawnMs;
  let elapsedShare = 0;
  const steps = template.steps.map(({ name, share }) => {
    const step = { name, atMs: Math.round(elapsedShare * endMs) };
    elapsedShare += share;
    return step;
  });
  return { steps, endMs, outcome: overrides.outcome ?? COMPLETED };
}

/** When, in simulated milliseconds from the start, the step after `step` begins or the task ends; null: never. */
export function nextTransitionMs(plan: Plan, step: number): number | null {
  const nextStepMs = plan.steps[step + 1]?.atMs;
  if (nextStepMs !== undefined) return nextStepMs;
  return plan.outcome.status === 'hangs' ? null : plan.endMs;
}
