import type { Events } from '../events.ts';
import { seededRandom } from '../random.ts';
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
export interface FaultContext {
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
  const updateCounts = db.prepare<Pick<Fault, 'id' | 'matched' | 'fired'>>(
    'UPDATE faults SET matched = @matched, fired = @fired WHERE id = @id',
  );
  const removeOne = db.prepare<[number]>('DELETE FROM faults WHERE id = ?');
  const removeAll = db.prepare<[number | null]>('DELETE FROM faults WHERE account_id IS ?');
  const copyRules = db.prepare<{ fromId: number; toId: number }>(`
    INSERT INTO faults (account_id, rule, matched, fired)
    SELECT @toId, rule, matched, fired FROM faults WHERE account_id = @fromId ORDER BY id`);

  /** By account; null holds those for everybody. Undefined: to be read again. */
  let rulesByAccount: Map<number | null, Fault[]> | undefined;
  transactions.onRollback(() => {
    rulesByAccount = undefined;
  });

  function loadRules(): Map<number | null, Fault[]> {
    if (rulesByAccount) return rulesByAccount;
    rulesByAccount = new Map();
    for (const { rule, ...row } of load.all()) {
      const accountRules = rulesByAccount.get(row.accountId) ?? [];
      accountRules.push({ ...JSON.parse(rule), ...row });
      rulesByAccount.set(row.accountId, accountRules);
    }
    return rulesByAccount;
  }

  const emitChange = (accountId: number | null) => events.emit({ type: 'account', accountId, change: 'faults' });

  /** Counts the match and decides whether the rule strikes. */
  function shouldFire(fault: Fault, accountSeed: string): boolean {
    if (fault.times !== undefined && fault.fired >= fault.times) return false;
    const matched = fault.matched + 1;
    const isSkipped =
      matched <= (fault.after ?? 0) ||
      (fault.probability !== undefined &&
        seededRandom('fault', fault.seed ?? accountSeed, matched).next() >= fault.probability);
    const fired = fault.fired + (isSkipped ? 0 : 1);
    // First where it lasts: what cannot be written down has not struck.
    updateCounts.run({ id: fault.id, matched, fired });
    Object.assign(fault, { matched, fired });
    return !isSkipped;
  }

  return {
    /** Whether there is any rule at all. */
    isEmpty: (): boolean => loadRules().size === 0,
    /** The first rule that strikes: the account's own before those for everybody, in the order they were set. */
    fire(stage: Stage, context: FaultContext, accountSeed: string): Fault | undefined {
      const byAccount = loadRules();
      if (byAccount.size === 0) return undefined;
      for (const candidates of [byAccount.get(context.accountId), byAccount.get(null)]) {
        for (const fault of candidates ?? []) {
          if (fault.at === stage && matches(fault, context) && shouldFire(fault, accountSeed)) return fault;
        }
      }
      return undefined;
    },

    add(accountId: number | null, rule: Rule): Fault {
      const { lastInsertRowid } = insert.run({ accountId, rule: JSON.stringify(rule) });
      rulesByAccount = undefined;
      emitChange(accountId);
      return loadRules()
        .get(accountId)!
        .find(({ id }) => id === Number(lastInsertRowid))!;
    },
    /** As part of what makes an account. */
    addAll(accountId: number, added: readonly Rule[]): void {
      for (const rule of added) insert.run({ accountId, rule: JSON.stringify(rule) });
      if (added.length > 0) rulesByAccount = undefined;
    },
    /** In the order they were set; null: those for everybody. */
    list: (accountId: number | null): readonly Fault[] => loadRules().get(accountId) ?? [],
    /** False when there was none. */
    remove(accountId: number | null, id: number): boolean {
      const exists = (loadRules().get(accountId) ?? []).some((fault) => fault.id === id);
      if (!exists) return false;
      removeOne.run(id);
      rulesByAccount = undefined;
      emitChange(accountId);
      return true;
    },
    clear(accountId: number | null): void {
      const { changes } = removeAll.run(accountId);
      rulesByAccount = undefined;
      if (changes > 0) emitChange(accountId);
    },
    /** Inside a transaction: gives another account the rules of this one, with their counts. */
    copy(fromId: number, toId: number): void {
      copyRules.run({ fromId, toId });
      rulesByAccount = undefined;
    },
    /** Accounts have come or gone with their rules. */
    invalidate(): void {
      rulesByAccount = undefined;
    },
  };
}

function matches({ match }: Fault, { family, endpoint, text }: FaultContext): boolean {
  return (
    (match.family === undefined || match.family === family) &&
    (match.endpoint === undefined || match.endpoint === endpoint) &&
    (match.contains === undefined || text().includes(match.contains))
  );
}
