/** What the control plane tells and is told: see docs/control-plane.md. Moments are ISO 8601 in UTC; durations are milliseconds. */

export type ClockMode = 'real' | 'frozen' | 'auto';
export type TaskStatus = 'processing' | 'completed' | 'failed';
export type Family =
  | 'sora-2'
  | 'veo-3'
  | 'seedance-1-5-pro'
  | 'sora-2-tvc'
  | 'sora-watermark'
  | 'nano-banana-pro'
  | 'nano-banana-2'
  | 'prompt-generator'
  | 'reverse-prompt';

export interface Account {
  key: string;
  /** What can still be spent. */
  credits: number;
  rateLimit: { limit: number | null; remaining: number | null; resetAt: string | null };
  clock: { mode: ClockMode; now: string };
  speed: number;
  seed: string;
  createdAt: string;
  revoked: boolean;
}

export interface NewAccount {
  /** Made up when absent. */
  key?: string;
  credits?: number;
  /** Requests an hour; null: no limit. */
  rateLimit?: number | null;
  speed?: number;
  clock?: ClockMode | { mode: ClockMode; now?: string };
  seed?: string | number;
}

export interface AccountChanges {
  rateLimit?: number | null;
  speed?: number;
  seed?: string | number;
  revoked?: boolean;
}

export interface LedgerEntry {
  id: string;
  kind: 'grant' | 'hold' | 'capture' | 'refund' | 'adjust';
  amount: number;
  /** After this entry. */
  balance: number;
  taskId: string | null;
  reason: string | null;
  at: string;
}

export interface Ledger {
  balance: number;
  /** The sum of open holds. */
  held: number;
  entries: LedgerEntry[];
}

export interface Verification {
  ok: boolean;
  problems: string[];
}

export interface Transition {
  taskId: string;
  from: string;
  to: string;
  at: string;
}

export interface Advance {
  now: string;
  transitions: Transition[];
}

export type Outcome = { status: 'completed' } | { status: 'failed'; errorCode: string } | { status: 'hangs' };

export interface Task {
  id: string;
  /** Images only: what they are polled by. */
  generationId?: string;
  family: Family;
  status: TaskStatus;
  /** Credits. */
  price: number;
  /** The request that it was made of, with defaults filled in. */
  input: Record<string, unknown>;
  plan: { steps: { name: string; atMs: number }[]; endMs: number; outcome: Outcome };
  step: string | null;
  createdAt: string;
  dueAt: string | null;
  finishedAt: string | null;
  simulatedMs: number | null;
  /** The URLs of a completed task by the answer's fields, the code of a failed one. */
  result: Record<string, string> | null;
}

export type Stage = 'request' | 'charge' | 'accepted' | 'task' | 'stream' | 'media';

export interface Effect {
  errorCode?: string;
  status?: number;
  fail?: true;
  hang?: true;
  /** Simulated. */
  durationMs?: number;
  /** Wall time. */
  delayMs?: number;
  reset?: true;
  empty?: true;
  truncateAfter?: number;
  malformed?: true;
  /** Takes the answer's place, to the byte. */
  answer?: WholeAnswer;
}

export interface WholeAnswer {
  /** 200 to 599. */
  status: number;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is. */
  text?: string;
  headers?: Record<string, string>;
  /** Default: JSON for a `body`, plain text for a `text`. */
  contentType?: string;
}

export interface Rule {
  at: Stage;
  effect: Effect;
  match?: { family?: Family; endpoint?: string; contains?: string };
  times?: number;
  after?: number;
  probability?: number;
  seed?: string | number;
}

export interface Fault extends Omit<Rule, 'seed' | 'match'> {
  id: string;
  match: NonNullable<Rule['match']>;
  seed?: string;
  /** How often it has struck. */
  fired: number;
}

export interface JournalEntry {
  id: string;
  at: string;
  method: string;
  path: string;
  /** Null: there was no answer, or there is none yet. */
  status: number | null;
  errorCode: string | null;
  durationMs: number | null;
  request: { headers: Record<string, string | string[]>; body: unknown; truncated?: true };
  response: { headers: Record<string, string | number>; body: unknown; truncated?: true };
  taskIds: string[];
  fault: string | null;
  warnings: string[];
}

export interface JournalFilter {
  path?: string;
  status?: number;
}

export interface Finding {
  code: string;
  message: string;
  /** Ids of journal entries. */
  requests: string[];
}

export interface Verdict {
  ok: boolean;
  findings: Finding[];
}

export interface Snapshot {
  name: string;
  at: string;
}

/** The settings of the command by their names in camelCase: see the README. */
export interface StartOptions {
  /** 0 and default: a free one. */
  port?: number;
  host?: string;
  httpsPort?: number;
  /** Default: everything is in memory. */
  dataDir?: string;
  /** Default: `silent`. */
  logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  clock?: ClockMode;
  speed?: number;
  seed?: string;
  seedFile?: string;
  autoAccounts?: boolean;
  rateLimit?: number | null;
  failedTaskStatus?: 200 | 500;
  publicUrl?: string;
  resultTtlSeconds?: number | null;
  adminToken?: string;
  adminRemote?: boolean;
  adminHosts?: string[];
  journalEntries?: number;
  bodyLimitBytes?: number;
  headerLimitBytes?: number;
  requestTimeoutSeconds?: number;
  connectionLimit?: number;
  streamLimit?: number;
  listenerLimit?: number;
  autoAccountLimit?: number;
  snapshotLimit?: number;
  faultLimit?: number;
}
