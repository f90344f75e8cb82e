import type * as t from './types.ts';

/** Rules that let something go wrong: see docs/faults.md. */
export interface FaultControl {
  /** Sets a rule. */
  add(rule: t.Rule): Promise<t.Fault>;
  list(): Promise<t.Fault[]>;
  remove(id: string): Promise<void>;
  clear(): Promise<void>;
}

/** All that belongs to one key. */
export interface AccountControl {
  readonly key: string;
  get(): Promise<t.Account>;
  change(changes: t.AccountChanges): Promise<t.Account>;
  /** Removes the account with all that is its own. */
  remove(): Promise<void>;
  /** Grants credits, or takes some where `amount` is negative. */
  credit(amount: number, reason?: string): Promise<t.Account>;
  /** With all of its entries, oldest first. */
  ledger(): Promise<t.Ledger>;
  verifyLedger(): Promise<t.Verification>;
  rateLimit(limit: { limit?: number | null; remaining?: number }): Promise<t.Account>;
  readonly clock: {
    set(mode: t.ClockMode, now?: string): Promise<t.Advance & { mode: t.ClockMode }>;
    /** Answers when all that fell due on the way has happened. */
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
    /** Answers when the task has ended, or is as `status` says. */
    wait(id: string, options?: { status?: t.TaskStatus; timeoutMs?: number }): Promise<t.Task>;
  };
  readonly faults: FaultControl;
  /** The journal: what the client sent and was answered. */
  readonly requests: {
    list(filter?: t.JournalFilter): Promise<t.JournalEntry[]>;
    get(id: string): Promise<t.JournalEntry>;
    count(filter?: t.JournalFilter): Promise<number>;
    clear(): Promise<void>;
  };
  verdict(): Promise<t.Verdict>;
  readonly snapshots: {
    take(name: string): Promise<t.Snapshot>;
    list(): Promise<t.Snapshot[]>;
    restore(name: string): Promise<t.Account>;
  };
  /** Another account with a copy of all that this one has but its journal and snapshots. */
  fork(to: string): Promise<AccountControl>;
  reset(): Promise<t.Account>;
}

/** The control plane: one method for each call of docs/control-plane.md. All throw ControlError when they are refused. */
export interface Control {
  /** What belongs to a key. Its account has to exist when something is asked of it, not before. */
  account(key: string): AccountControl;
  readonly accounts: {
    create(account?: t.NewAccount): Promise<AccountControl>;
    list(): Promise<t.Account[]>;
  };
  /** Rules for everybody. */
  readonly faults: FaultControl;
  /** Everything as at the start. */
  reset(): Promise<{ accounts: number }>;
}

export interface RunningEmulator extends Control, AsyncDisposable {
  /** What a client takes for https://nanophoto.ai. */
  url: string;
  port: number;
  /** Where HTTPS is spoken, if `httpsPort` was asked for. */
  httpsPort: number | undefined;
  /** The key of the first account. */
  apiKey: string;
  /** What clients that reach it as a proxy, or over HTTPS, have to trust: see docs/drop-in.md. */
  certificate(): Promise<string>;
  /** Nothing of it is left, and a process that waits for nothing else ends. */
  close(): Promise<void>;
}
