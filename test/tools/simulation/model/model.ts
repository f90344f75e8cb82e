import { type AccountState, createState, type Emit, type Profile, timeOf } from './account-model.ts';
import { applyUntil } from './transitions.ts';

export interface ModelAccount {
  key: string;
  /** Auto-created accounts are removed by a reset of all accounts. */
  isAutoCreated: boolean;
  state: AccountState;
  snapshots: Map<string, { state: AccountState; takenAt: number }>;
  /** The requests since the account was created or reset, or the process was started. Undefined when unknown. */
  journal: JournalEntry[] | undefined;
}

export interface JournalEntry {
  method: string;
  path: string;
  at: number;
  /** Undefined until the response has been received. */
  status?: number;
}

/** The expected events of a key. Those of a request that did not take effect, or whose lifetime ended, are unknown. */
export interface ModelEvents {
  list: string[];
  areKnown: boolean;
}

/** All accounts that requests of the simulation create, as the contract says they must be. */
export class Model {
  accounts = new Map<string, ModelAccount>();
  events = new Map<string, ModelEvents>();
  readonly wallMs: () => number;

  constructor(wallMs: () => number) {
    this.wallMs = wallMs;
  }

  eventsOf(key: string): ModelEvents {
    let events = this.events.get(key);
    if (!events) {
      events = { list: [], areKnown: true };
      this.events.set(key, events);
    }
    return events;
  }

  emit(key: string): Emit {
    const { list } = this.eventsOf(key);
    return ({ at, ...event }) => void list.push(toEventText({ ...event, at: new Date(at).toISOString() }));
  }

  create(key: string, profile: Profile, isAutoCreated = false): ModelAccount {
    const state = createState(profile, this.wallMs(), this.emit(key));
    const account: ModelAccount = { key, isAutoCreated, state, snapshots: new Map(), journal: [] };
    this.accounts.set(key, account);
    return account;
  }

  /** Returns an account to the state in which it was created. */
  reset(account: ModelAccount): void {
    account.state = createState(account.state.profile, this.wallMs(), this.emit(account.key));
    account.snapshots.clear();
    account.journal = [];
  }

  now = (account: ModelAccount): number => timeOf(account.state, this.wallMs());

  /** Applies everything that is due, and returns the account's time. */
  catchUp(account: ModelAccount): number {
    const now = this.now(account);
    applyUntil(account.state, now, this.emit(account.key));
    return now;
  }

  /** Returns a function that reverts all later changes of a key. */
  checkpoint(key: string): () => void {
    const account = this.accounts.get(key);
    const saved = account && structuredClone({ ...account });
    const { length } = this.eventsOf(key).list;
    return () => {
      if (saved) this.accounts.set(key, structuredClone(saved));
      else this.accounts.delete(key);
      this.eventsOf(key).list.splice(length);
    };
  }

  /** Clears what a process keeps only in memory. */
  restart(): void {
    for (const account of this.accounts.values()) account.journal = [];
    this.events.clear();
  }
}

const FIELDS = ['id', 'kind', 'amount', 'balance', 'taskId', 'reason', 'from', 'to', 'at'] as const;

/** Returns the parts of an event that the model predicts, as a text that can be compared. */
export const toEventText = (event: Partial<Record<(typeof FIELDS)[number], unknown>>): string =>
  FIELDS.filter((field) => event[field] !== undefined)
    .map((field) => `${field}=${event[field]}`)
    .join(' ');
