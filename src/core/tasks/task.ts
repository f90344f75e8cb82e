import type { Plan, PlanOverrides, PlanTemplate } from './plan.ts';

export type TaskStatus = 'processing' | 'completed' | 'failed';

export interface Task {
  accountId: number;
  /** The task's place in its account's history, from 1. */
  seq: number;
  id: string;
  family: string;
  status: TaskStatus;
  price: number;
  holdSeq: number | null;
  /** What the client calls it, where it may: the id of a shot. */
  clientRef: string | null;
  plan: Plan;
  step: number;
  /** Place of the task that has to end before this one starts. */
  follows: number | null;
  createdAtMs: number;
  startedAtMs: number | null;
  dueAtMs: number | null;
  finishedAtMs: number | null;
  /** Simulated generation time; known when the task has ended. */
  simulatedMs: number | null;
  errorCode: string | null;
}

/** What a family asks for. */
export interface Order {
  family: string;
  price: number;
  /** The validated request, kept for whoever looks at the task later. */
  input: unknown;
  clientRef?: string;
  template: PlanTemplate;
  /** Asked when the task is made, and only then: what is asked for once is not used up by an order that is refused. */
  overrides?: () => PlanOverrides;
}

/** One change of a task, on its account's clock. `from` and `to` are statuses or, between steps, step names. */
export interface Transition {
  taskId: string;
  from: string;
  to: string;
  atMs: number;
}
