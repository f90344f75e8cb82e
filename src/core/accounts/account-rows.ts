import type { LedgerEntry } from '../ledger/ledger-entry.ts';
import type { Task } from '../tasks/task.ts';

/** A ledger entry with its references to a task and to a hold. */
export interface EntryRecord extends Omit<LedgerEntry, 'taskId'> {
  taskSeq: number | null;
  /** The hold that a capture or refund resolves. */
  holdSeq: number | null;
}

/** A task as stored. */
export interface TaskRecord extends Omit<Task, 'accountId' | 'plan'> {
  /** `stream`: a synchronous task, which ends with its request. */
  driver: 'worker' | 'stream';
  /** The ledger entry that holds the price; null if the task is free. */
  holdSeq: number | null;
  /** The request body and the plan, as JSON. */
  input: string;
  plan: string;
}

/** A finished task that was evicted from memory. */
export interface EvictedRecord {
  seq: number;
  id: string;
  family: null;
}

/** Columns of a table by field, except `account_id`. */
type Columns<Row> = Readonly<Record<keyof Row, string>>;

export const ENTRY_COLUMNS: Columns<EntryRecord> = {
  seq: 'seq',
  kind: 'kind',
  amount: 'amount',
  balance: 'balance',
  taskSeq: 'task_seq',
  holdSeq: 'hold_seq',
  reason: 'reason',
  atMs: 'at',
};

export const TASK_COLUMNS: Columns<TaskRecord> = {
  seq: 'seq',
  id: 'id',
  family: 'family',
  driver: 'driver',
  status: 'status',
  price: 'price',
  holdSeq: 'hold_seq',
  clientRef: 'client_ref',
  input: 'input',
  plan: 'plan',
  step: 'step',
  predecessorSeq: 'follows',
  createdAtMs: 'created_at',
  startedAtMs: 'started_at',
  dueAtMs: 'due_at',
  finishedAtMs: 'finished_at',
  simulatedMs: 'simulated_ms',
  errorCode: 'error_code',
};

export const EVICTED_COLUMNS: Columns<Omit<EvictedRecord, 'family'>> = { seq: 'seq', id: 'id' };
