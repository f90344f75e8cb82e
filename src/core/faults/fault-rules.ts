import type { Events } from '../events.ts';
import { randomOf } from '../random.ts';
import type { Db } from '../storage/database.ts';
import type { Transactions } from '../storage/transactions.ts';

/** When a rule strikes: see the page on faults. */
export const STAGES = ['request', 'charge', 'accepted', 'task', 'stream', 'media'] as const;
export type Stage = (typeof STAGES)[number];

/** What goes wrong. Which effects make sense at which stage is checked where rules come in. */
export interface Effect {
  /** The answer, or the task's failure, has this code. */
  errorCode?: string | undefined;
  status?: number | undefined;
  fail?: true | undefined;
  hang?: true | undefined;
  /** Simulated. */
  durationMs?: number | undefined;
  /** Wall time. */
  delayMs?: number | undefined;
  reset?: true | undefined;
  empty?: true | undefined;
  truncateAfter?: number | undefined;
  malformed?: true | undefined;
  /** Takes the answer's place. What it is made of is for those who send it. */
  answer?: Readonly<Record<string, unknown>> | undefined;
}

export interface Rule {
  match: { family?: string | undefined; endpoint?: string | undefined; contains?: string | undefined };
  at: Stage;
  effect: Effect;
  /** How often it strikes; undefined: always. */
  times?: number | undefined;
  /** How many matching requests pass before it. */
  after?: number | undefined;
  probability?: number | undefined;
  seed?: string | undefined;
}

export interface Fault extends Rule {
  id: number;
  accountId: number | null;
  matched: number;
  fired: number;
}

/** What a rule can match. */
export interface Occasion {
  accountId: number;
  family: string;
  endpoint: string;
  /** Everything that the client said, as text; asked for only when a rule wants to know. */
  text: () => string;
}

type FaultRow = Pick<Fault, 'id' | 'accountId' | 'matched' | 'fired'> & { rule: string };

export type Faults = ReturnType<typeof createFaults>;

/**
 * Rules by account, and those for everybody. They live in the database, so that snapshots and restarts have them, and are
 * read from memory, so that a request without any pays next to nothing.
 */
export function createFaults(db: Db, transactions: Transactions, events: Events) {
  const load = db.prepare<[], FaultRow>(
    'SELECT id, account_id AS accountId, rule, matched, fired FROM faults ORDER BY id',
  );
  const insert = db.prepare<{ accountId: number | null; rule: string }>(
    'INSERT INTO faults (account_id, rule) VALUES (@accountId, @rule)',
  );
  const count = db.prepare<Pick<Fault, 'id' | 'matched' | 'fired'>>(
    'UPDATE faults SET matched = @matched, fired = @fired WHERE id = @id',
  );
  const removeOne = db.prepare<[number]>('DELETE FROM faults WHERE id = ?');
  const removeAll = db.prepare<[number | null]>('DELETE FROM faults WHERE account_id IS ?');
  const copyRules = db.prepare<{ fromId: number; toId: number }>(`
    INSERT INTO faults (account_id, rule, matched, fired)
    SELECT @toId, rule, matched, fired FROM faults WHERE account_id = @fromId ORDER BY id`);

  /** By account; null holds those for everybody. Undefined: to be read again. */
  let rules: Map<number | null, Fault[]> | undefined;
  transactions.onUndone(() => {
    rules = undefined;
  });

  function all(): Map<number | null, Fault[]> {
    if (rules) return rules;
    rules = new Map();
    for (const { rule, ...row } of load.all()) {
      const of = rules.get(row.accountId) ?? [];
      of.push({ ...JSON.parse(rule), ...row });
      rules.set(row.accountId, of);
    }
    return rules;
  }

  const tell = (accountId: number | null) => events.emit({ type: 'account', accountId, change: 'faults' });

  /** Counts the match and decides whether the rule strikes. */
  function strikes(fault: Fault, accountSeed: string): boolean {
    if (fault.times !== undefined && fault.fired >= fault.times) return false;
    const matched = fault.matched + 1;
    const passes =
      matched <= (fault.after ?? 0) ||
      (fault.probability !== undefined &&
        randomOf('fault', fault.seed ?? accountSeed, matched).next() >= fault.probability);
    const fired = fault.fired + (passes ? 0 : 1);
    // First where it lasts: what cannot be written down has not struck.
    count.run({ id: fault.id, matched, fired });
    Object.assign(fault, { matched, fired });
    return !passes;
  }

  return {
    /** Whether there is any rule at all. */
    isQuiet: (): boolean => all().size === 0,
    /** The first rule that strikes: the account's own before those for everybody, in the order they were set. */
    strike(stage: Stage, occasion: Occasion, accountSeed: string): Fault | undefined {
      const known = all();
      if (known.size === 0) return undefined;
      for (const of of [known.get(occasion.accountId), known.get(null)]) {
        for (const fault of of ?? []) {
          if (fault.at === stage && matches(fault, occasion) && strikes(fault, accountSeed)) return fault;
        }
      }
      return undefined;
    },

    add(accountId: number | null, rule: Rule): Fault {
      const { lastInsertRowid } = insert.run({ accountId, rule: JSON.stringify(rule) });
      rules = undefined;
      tell(accountId);
      return all()
        .get(accountId)!
        .find(({ id }) => id === Number(lastInsertRowid))!;
    },
    /** As part of what makes an account. */
    addAll(accountId: number, added: readonly Rule[]): void {
      for (const rule of added) insert.run({ accountId, rule: JSON.stringify(rule) });
      if (added.length > 0) rules = undefined;
    },
    /** In the order they were set; null: those for everybody. */
    list: (accountId: number | null): readonly Fault[] => all().get(accountId) ?? [],
    /** False when there was none. */
    remove(accountId: number | null, id: number): boolean {
      const isThere = (all().get(accountId) ?? []).some((fault) => fault.id === id);
      if (!isThere) return false;
      removeOne.run(id);
      rules = undefined;
      tell(accountId);
      return true;
    },
    clear(accountId: number | null): void {
      const { changes } = removeAll.run(accountId);
      rules = undefined;
      if (changes > 0) tell(accountId);
    },
    /** Inside a transaction: gives another account the rules of this one, with their counts. */
    copy(fromId: number, toId: number): void {
      copyRules.run({ fromId, toId });
      rules = undefined;
    },
    /** Accounts have come or gone with their rules. */
    forget(): void {
      rules = undefined;
    },
  };
}

function matches({ match }: Fault, { family, endpoint, text }: Occasion): boolean {
  return (
    (match.family === undefined || match.family === family) &&
    (match.endpoint === undefined || match.endpoint === endpoint) &&
    (match.contains === undefined || text().includes(match.contains))
  );
}
