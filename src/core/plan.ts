import type { Random } from './random.ts';

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

export type Outcome = { status: 'completed' } | { status: 'failed'; errorCode: string };

/** Fixed when the task is created; the worker plays it and needs to know nothing else of the family. */
export interface Plan {
  steps: PlanStep[];
  endMs: number;
  outcome: Outcome;
}

export const COMPLETED: Outcome = { status: 'completed' };

/** Whole seconds, because the API tells generation times in whole seconds. */
export function drawPlan(template: PlanTemplate, random: Random, outcome: Outcome = COMPLETED): Plan {
  const endMs = random.int(...template.typicalSeconds) * 1000;
  let before = 0;
  const steps = template.steps.map(({ name, share }) => {
    const step = { name, atMs: Math.round(before * endMs) };
    before += share;
    return step;
  });
  return { steps, endMs, outcome };
}

/** When, in simulated milliseconds from the start, the step after `step` begins or the task ends. */
export function nextChangeMs(plan: Plan, step: number): number {
  return plan.steps[step + 1]?.atMs ?? plan.endMs;
}
