// Requests and responses of the control plane: see docs/reference/control-plane.md. Timestamps are ISO 8601 in UTC,
// durations milliseconds.
//
// Written by hand instead of inferred from the zod schemas: the compiler would emit declarations that import zod, which
// users of the package do not have. test/control-plane/response-types.test.ts keeps both equal.

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
  /** Credits available to spend. */
  credits: number;
  rateLimit: { limit: number | null; remaining: number | null; resetAt: string | null };
  clock: { mode: ClockMode; now: string };
  speed: number;
  /** Share of tasks that fail without a fault, from 0 to 1. */
  failureRate: number;
  seed: string;
  createdAt: string;
  revoked: boolean;
}

export interface NewAccount {
  /** Generated when absent. */
  key?: string;
  credits?: number;
  /** Requests per hour; null for no limit. */
  rateLimit?: number | null;
  speed?: number;
  failureRate?: number;
  clock?: ClockMode | { mode: ClockMode; now?: string };
  seed?: string | number;
}

export interface AccountChanges {
  rateLimit?: number | null;
  speed?: number;
  failureRate?: number;
  seed?: string | number;
  revoked?: boolean;
}

export interface LedgerEntry {
  id: string;
  kind: 'grant' | 'hold' | 'capture' | 'refund' | 'adjust';
  amount: number;
  /** The balance after this entry. */
  balance: number;
  taskId: string | null;
  reason: string | null;
  at: string;
}

export interface Ledger {
  balance: number;
  /** Sum of the open holds. */
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
  /** Images only: the id to poll with. */
  generationId?: string;
  family: Family;
  status: TaskStatus;
  /** In credits. */
  price: number;
  /** The request body, with defaults filled in. */
  input: Record<string, unknown>;
  plan: { steps: { name: string; atMs: number }[]; endMs: number; outcome: Outcome };
  step: string | null;
  createdAt: string;
  dueAt: string | null;
  finishedAt: string | null;
  simulatedMs: number | null;
  /** The URLs of a completed task by response field, or the `errorCode` of a failed one. */
  result: Record<string, string> | null;
}

export type Stage = 'request' | 'charge' | 'accepted' | 'task' | 'stream' | 'media';

export interface Effect {
  errorCode?: string;
  status?: number;
  fail?: true;
  hang?: true;
  /** In simulated time. */
  durationMs?: number;
  /** In wall-clock time. */
  delayMs?: number;
  reset?: true;
  empty?: true;
  truncateAfter?: number;
  malformed?: true;
  /** Replaces the whole response. */
  answer?: CannedResponse;
}

export interface CannedResponse {
  /** 200 to 599. */
  status: number;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent unchanged. */
  text?: string;
  headers?: Record<string, string>;
  /** Default: JSON for `body`, plain text for `text`. */
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
  /** How many times the rule has fired. */
  fired: number;
}

/** A request that came close to a fault rule. */
export interface NearMiss {
  /** The header `x-request-id` of the response. */
  requestId: string;
  at: string;
  path: string;
  /** The reason why the rule did not fire. */
  reason: string;
}

export interface FaultDetails extends Fault {
  /** The last ten requests that came close to the rule, oldest first. */
  nearMisses: NearMiss[];
}

export interface JournalEntry {
  id: string;
  /** The header `x-request-id` of the response. */
  requestId: string;
  at: string;
  method: string;
  path: string;
  /** Null if no response was sent, or not yet. */
  status: number | null;
  errorCode: string | null;
  durationMs: number | null;
  request: { headers: Record<string, string | string[]>; body: unknown; truncated?: true };
  response: { headers: Record<string, string | number>; body: unknown; truncated?: true };
  taskIds: string[];
  fault: string | null;
  warnings: string[];
}

/** The latest activity of the clients of all accounts. */
export interface Activity {
  /** Wall time, like `receivedAt` and `lastRequestAt`. */
  now: string;
  /** Number of requests with a known key since the start. */
  requestCount: number;
  /** The accounts with tasks or requests, those with the most running tasks first. */
  accounts: {
    key: string;
    /** Number of running tasks. */
    processing: number;
    /** Number of failed tasks. */
    failed: number;
    /** Number of requests since the start or the last reset. */
    requestCount: number;
    lastRequestAt: string | null;
  }[];
  /** The latest requests of all accounts, newest first. */
  requests: {
    key: string;
    /** The id of the journal entry. */
    id: string;
    /** The header `x-request-id` of the response. */
    requestId: string;
    receivedAt: string;
    method: string;
    path: string;
    status: number | null;
    errorCode: string | null;
    durationMs: number | null;
  }[];
  /** The latest requests without a valid key, which got 401, newest first. */
  unauthorized: {
    requestId: string;
    receivedAt: string;
    method: string;
    path: string;
    /** The masked key; null if the request has none. */
    key: string | null;
    /** `malformed`: the header `Authorization` is not `Bearer` and a key. */
    reason: 'missing' | 'malformed' | 'unknown' | 'revoked';
  }[];
}

export interface JournalFilter {
  path?: string;
  status?: number;
  /** An HTTP method in upper case. */
  method?: string;
  /** The error code of the response. */
  errorCode?: string;
  /** A task that the request created, polled or fetched. */
  taskId?: string;
  /** A text in the body of the request or of the response, as it was sent. */
  contains?: string;
  /** The header `x-request-id` of the response. */
  requestId?: string;
  /** The earliest time of the request, on the account's clock: a timestamp with an offset. */
  since?: string;
  /** The latest time of the request, on the account's clock: a timestamp with an offset. */
  until?: string;
}

/** An HTTP Archive 1.2. The entries have the type `Entry` of `@types/har-format`. */
export interface Har {
  log: {
    version: '1.2';
    creator: { name: string; version: string };
    comment: string;
    entries: Record<string, unknown>[];
  };
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

/** A fault rule in a document of an account. */
export interface StoredRule extends Omit<Rule, 'seed' | 'match'> {
  match: NonNullable<Rule['match']>;
  seed?: string;
}

/** A task in a document of an account. */
export interface StoredTask {
  /** Number of the task within the account, from 1. */
  seq: number;
  id: string;
  family: Family;
  status: TaskStatus;
  price: number;
  /** The `seq` of the ledger entry that holds the price. */
  hold?: number;
  /** The client's own id of the task: the id of a shot. */
  clientRef?: string;
  /** The task ends with its request. */
  synchronous?: true;
  stepIndex: number;
  /** The `seq` of the task that must end first. */
  predecessor?: number;
  createdAt: string;
  startedAt?: string;
  /** The next transition of a running task. */
  dueAt?: string;
  finishedAt?: string;
  simulatedMs?: number;
  errorCode?: string;
  plan: Task['plan'];
  input: Record<string, unknown>;
}

/** An account as a document: see docs/reference/control-plane.md. */
export interface AccountState {
  $schema?: string;
  format: 'nanophoto-emulator/account';
  version: 1;
  account: {
    key: string;
    seed: string;
    clock: { mode: ClockMode; now: string };
    speed: number;
    failureRate: number;
    revoked: boolean;
    createdAt: string;
    /** The state to which a reset returns the account. */
    initial: {
      credits: number;
      rateLimit: number | null;
      clock: { mode: ClockMode; now?: string };
      speed: number;
      failureRate: number;
      seed: string;
      faults?: StoredRule[];
    };
  };
  ledger: {
    seq: number;
    kind: LedgerEntry['kind'];
    amount: number;
    balance: number;
    task?: number;
    hold?: number;
    reason?: string;
    at: string;
  }[];
  tasks: (StoredTask | { seq: number; id: string; status: 'evicted' })[];
  faults: { rule: StoredRule; matched: number; fired: number }[];
  rateLimit: { limit: number | null; count?: number; resetAt?: string };
  requests?: JournalEntry[];
  verdict?: Verdict;
}

/** The settings of the command, with names in camelCase: see docs/reference/settings.md. */
export interface StartOptions {
  /** Exported accounts: documents, or paths of files that contain them. */
  state?: AccountState | string | readonly (AccountState | string)[];
  /**
   * Directory in which `close` writes the artifacts of each account that received requests: see
   * docs/reference/library.md.
   */
  artifacts?: string;
  /** Default: 0, a free port. */
  port?: number;
  host?: string;
  httpsPort?: number;
  /** Default: all data is kept in memory. */
  dataDir?: string;
  /** Default: `silent`. */
  logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  clock?: ClockMode;
  speed?: number;
  seed?: string;
  seedFile?: string;
  autoAccounts?: boolean;
  rateLimit?: number | null;
  failureRate?: number;
  failedTaskStatus?: 200 | 500;
  cors?: boolean;
  splitCharacters?: boolean;
  publicUrl?: string;
  resultTtlSeconds?: number | null;
  adminToken?: string;
  adminRemote?: boolean;
  adminHosts?: string[];
  journalEntries?: number;
  bodyLimitBytes?: number;
  textLimitCharacters?: number;
  headerLimitBytes?: number;
  requestTimeoutSeconds?: number;
  memoryBudgetMb?: number;
  connectionLimit?: number;
  streamLimit?: number;
  listenerLimit?: number;
  autoAccountLimit?: number;
  snapshotLimit?: number;
  faultLimit?: number;
}
