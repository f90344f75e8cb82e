import type * as t from './types.ts';

export interface WaitOptions {
  /** Default: `completed` or `failed`. */
  status?: t.TaskStatus;
  /** In wall-clock time; 10 s by default. */
  timeoutMs?: number;
}

export interface RequestWaitOptions extends t.JournalFilter {
  /** Number of requests to wait for; default 1. */
  count?: number;
  /** In wall-clock time; 10 s by default. */
  timeoutMs?: number;
}

/** Fault rules of an account, or of all accounts: see docs/reference/faults.md. */
export interface FaultControl {
  /** Creates a rule. */
  add(rule: t.Rule): Promise<t.Fault>;
  list(): Promise<t.Fault[]>;
  /** The rule, with the last requests that came close to it and what kept it from firing. */
  get(id: string): Promise<t.FaultDetails>;
  remove(id: string): Promise<void>;
  clear(): Promise<void>;
}

/** Controls the account of one API key. */
export interface AccountControl {
  readonly key: string;
  get(): Promise<t.Account>;
  change(changes: t.AccountChanges): Promise<t.Account>;
  /** Removes the account and all of its data. */
  remove(): Promise<void>;
  /** Grants credits, or deducts them if `amount` is negative. */
  credit(amount: number, reason?: string): Promise<t.Account>;
  /** The balance and all entries, oldest first. */
  ledger(): Promise<t.Ledger>;
  verifyLedger(): Promise<t.Verification>;
  rateLimit(limit: { limit?: number | null; remaining?: number }): Promise<t.Account>;
  readonly clock: {
    set(mode: t.ClockMode, now?: string): Promise<t.Advance & { mode: t.ClockMode }>;
    /** Resolves after all transitions due on the way are applied. */
    advance(ms: number): Promise<t.Advance>;
    advanceToNext(): Promise<t.Advance>;
  };
  readonly tasks: {
    list(filter?: { status?: t.TaskStatus }): Promise<t.Task[]>;
    get(id: string): Promise<t.Task>;
    complete(id: string): Promise<t.Task>;
    fail(id: string, error?: string): Promise<t.Task>;
    /** The file behind a field of the task's result, such as `videoUrl`. */
    file(id: string, field: string): Promise<Uint8Array>;
    /** Resolves when the task has finished, or has the given `status`. */
    wait(id: string, options?: WaitOptions): Promise<t.Task>;
  };
  readonly faults: FaultControl;
  /** The journal: the client's requests and their responses. */
  readonly requests: {
    list(filter?: t.JournalFilter): Promise<t.JournalEntry[]>;
    /** The requests as an HTTP Archive, which browsers and HTTP tools can open. */
    har(filter?: t.JournalFilter): Promise<t.Har>;
    get(id: string): Promise<t.JournalEntry>;
    count(filter?: t.JournalFilter): Promise<number>;
    /** Resolves when `count` requests match and have been answered, with the last of them. */
    wait(options?: RequestWaitOptions): Promise<t.JournalEntry>;
    clear(): Promise<void>;
  };
  verdict(): Promise<t.Verdict>;
  /** One page of Markdown for people: balance, verdict, tasks, the last requests and the fault rules. */
  summary(): Promise<string>;
  readonly snapshots: {
    take(name: string): Promise<t.Snapshot>;
    list(): Promise<t.Snapshot[]>;
    restore(name: string): Promise<t.Account>;
  };
  /** Exports the account as a document, optionally with its journal and the verdict. */
  exportState(options?: { include?: readonly ('requests' | 'verdict')[] }): Promise<t.AccountState>;
  /** Copies everything except the journal and the snapshots to a new account. */
  fork(to: string): Promise<AccountControl>;
  reset(): Promise<t.Account>;
}

/**
 * The control plane: one method per operation of docs/reference/control-plane.md.
 * @throws ControlError when the emulator rejects the request
 */
export interface Control {
  /** Controls the account of a key. The account must exist when a method is called, not before. */
  account(key: string): AccountControl;
  readonly accounts: {
    create(account?: t.NewAccount): Promise<AccountControl>;
    list(): Promise<t.Account[]>;
    /** Creates an account from a document of `exportState`; with `replace`, in place of one with the same key. */
    importState(state: t.AccountState, options?: { key?: string; replace?: boolean }): Promise<AccountControl>;
  };
  /** Global fault rules. */
  readonly faults: FaultControl;
  /** The busiest accounts, the latest requests of all accounts, and those without a valid key. */
  activity(): Promise<t.Activity>;
  /** Returns everything to the state of the first start. */
  reset(): Promise<{ accounts: number }>;
}

export interface RunningEmulator extends Control, AsyncDisposable {
  /** The base URL to use instead of https://nanophoto.ai. */
  url: string;
  port: number;
  /** The HTTPS port; undefined unless the option `httpsPort` was set. */
  httpsPort: number | undefined;
  /** The key of the first account. */
  apiKey: string;
  /** The CA certificate, in PEM, that clients of the proxy must trust: see docs/guides/unmodified-clients.md. */
  certificate(): Promise<string>;
  /** Stops the emulator and releases everything that would keep the process running. */
  close(): Promise<void>;
}
