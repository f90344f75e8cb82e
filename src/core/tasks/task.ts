import type { Plan, PlanOverrides, PlanTemplate } from './plan.ts';

export type TaskStatus = 'processing' | 'completed' | 'failed';

/** A generation task. Timestamps are on the account's clock. */
export interface Task {
  accountId: number;
  /** Number of the task within its account, from 1. */
  seq: number;
  id: string;
  family: string;
  status: TaskStatus;
  price: number;
  /** The client's own id of the task, in families that accept one: the id of a shot. */
  clientRef: string | null;
  plan: Plan;
  step: number;
  /** `seq` of the task that must end before this one starts. */
  predecessorSeq: number | null;
  createdAtMs: number;
  startedAtMs: number | null;
  dueAtMs: number | null;
  finishedAtMs: number | null;
  /** Simulated generation time; null while the task is processing. */
  simulatedMs: number | null;
  errorCode: string | null;
}

/** A request for one task, from its family. */
export interface Order {
  family: string;
  price: number;
  /** The validated request body, stored with the task. */
  input: unknown;
  clientRef?: string;
  template: PlanTemplate;
  /** Evaluated only when the task is created, so that a refused order does not consume a one-shot fault rule. */
  overrides?: () => PlanOverrides;
}

/** A change of a task's status or step. `from` and `to` are statuses or, between steps, step names. */
export interface Transition {
  taskId: string;
  from: string;
  to: string;
  /** On the account's clock. */
  atMs: number;
}
