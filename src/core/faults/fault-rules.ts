import type { Events } from '../events.ts';
import { seededRandom } from '../random.ts';
import type { Db } from '../storage/database.ts';
import type { StorageMemory } from '../storage/storage-memory.ts';
import type { Transactions } from '../storage/transactions.ts';

/** Points of a request or task at which a rule can fire; see docs/faults.md. */
export const STAGES = ['request', 'charge', 'accepted', 'task', 'stream', 'media'] as const;
export type Stage = (typeof STAGES)[number];

/** The effect of a rule. The control plane's schema checks which effects are valid at which stage. */
export interface Effect {
  /** Error code of the response or of the failed task. */
  errorCode?: string | undefined;
  status?: number | undefined;
  fail?: true | undefined;
  hang?: true | undefined;
  /** Duration of the task in simulated time. */
  durationMs?: number | undefined;
  /** Delay of the response in wall time. */
  delayMs?: number | undefined;
  reset?: true | undefined;
  empty?: true | undefined;
  truncateAfter?: number | undefined;
  malformed?: true | undefined;
  /** A canned response that replaces the real one. The HTTP layer defines its fields. */
  answer?: Readonly<Record<string, unknown>> | undefined;
}

/** A fault rule as the client sets it. */
export interface Rule {
  match: { family?: string | undefined; endpoint?: string | undefined; contains?: string | undefined };
  at: Stage;
  effect: Effect;
  /** How often the rule fires; undefined means always. */
  times?: number | undefined;
  /** Number of matching requests that pass before the rule can fire. */
  after?: number | undefined;
  /** Chance from 0 to 1 that a match fires, drawn from `seed` or from the account's seed. */
  probability?: number | undefined;
  seed?: string | undefined;
}

/** A stored fault rule with its counts. */
export interface Fault extends Rule {
  id: number;
  /** Null for a global rule. */
  accountId: number | null;
  matched: number;
  fired: number;
}

/** The properties of a request that rules are matched against. */
export interface FaultContext {
  accountId: number;
  family: string;
  endpoint: string;
  /** Returns the client's text fields; evaluated only when a rule has `match.contains`. */
  text: () => string;
}

/** Approximate size of a stored rule. */
const RULE_BYTES = 300;
/** A rule is stored as UTF-8, and cached as an object. */
const BYTES_PER_RULE_CHARACTER = 4;

type FaultRow = Pick<Fault, 'id' | 'accountId' | 'matched' | 'fired'> & { rule: string };

export type Faults = ReturnType<typeof createFaults>;

/**
 * Fault rules of accounts and global fault rules. They are stored in the database, so that snapshots include them and
 * they survive a restart, and cached in memory, so that a request costs next to nothing while there are none.
 */
export function createFaults(db: Db, transactions: Transactions, events: Events, storage: StorageMemory) {
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

  /** Rules by account id, global ones under null; undefined while the cache is invalid. */
  let rulesByAccount: Map<number | null, Fault[]> | undefined;
  function invalidate(): void {
    rulesByAccount = undefined;
  }
  transactions.onRollback(invalidate);

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

  /** Counts the match and decides whether the rule fires. */
  function shouldFire(fault: Fault, accountSeed: string): boolean {
    if (fault.times !== undefined && fault.fired >= fault.times) return false;
    const matched = fault.matched + 1;
    const isSkipped =
      matched <= (fault.after ?? 0) ||
      (fault.probability !== undefined &&
        seededRandom('fault', fault.seed ?? accountSeed, matched).next() >= fault.probability);
    const fired = fault.fired + (isSkipped ? 0 : 1);
    // Database first: a rule whose counts cannot be written has not fired.
    updateCounts.run({ id: fault.id, matched, fired });
    Object.assign(fault, { matched, fired });
    return !isSkipped;
  }

  return {
    /** Whether no rule exists, neither of an account nor global. */
    isEmpty: (): boolean => loadRules().size === 0,
    /** Returns the first rule that fires: the account's rules before global ones, each in the order they were set. */
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

    /** Adds a rule to an account, or a global rule with null. @throws OUT_OF_MEMORY when it exceeds the budget */
    add(accountId: number | null, rule: Rule): Fault {
      const json = JSON.stringify(rule);
      const { lastInsertRowid } = storage.write(RULE_BYTES + json.length * BYTES_PER_RULE_CHARACTER, () =>
        insert.run({ accountId, rule: json }),
      );
      invalidate();
      emitChange(accountId);
      return loadRules()
        .get(accountId)!
        .find(({ id }) => id === Number(lastInsertRowid))!;
    },
    /** Adds the rules of a new account's profile; emits no event of its own. */
    addAll(accountId: number, added: readonly Rule[]): void {
      for (const rule of added) insert.run({ accountId, rule: JSON.stringify(rule) });
      if (added.length > 0) invalidate();
    },
    /** Lists an account's rules, or the global ones with null, in the order they were set. */
    list: (accountId: number | null): readonly Fault[] => loadRules().get(accountId) ?? [],
    /** Removes a rule; returns false when the account has no such rule. */
    remove(accountId: number | null, id: number): boolean {
      const exists = (loadRules().get(accountId) ?? []).some((fault) => fault.id === id);
      if (!exists) return false;
      removeOne.run(id);
      invalidate();
      emitChange(accountId);
      return true;
    },
    clear(accountId: number | null): void {
      const { changes } = removeAll.run(accountId);
      invalidate();
      if (changes > 0) emitChange(accountId);
    },
    /** Copies an account's rules, with their counts, to another account. Must run inside a transaction. */
    copy(fromId: number, toId: number): void {
      copyRules.run({ fromId, toId });
      invalidate();
    },
    /** Clears the cache after accounts were created or removed together with their rules. */
    invalidate,
  };
}

function matches({ match }: Fault, { family, endpoint, text }: FaultContext): boolean {
  return (
    (match.family === undefined || match.family === family) &&
    (match.endpoint === undefined || match.endpoint === endpoint) &&
    (match.contains === undefined || text().includes(match.contains))
  );
}
