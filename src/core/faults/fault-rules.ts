import type { CoreContext } from '../context.ts';
import { seededRandom } from '../random.ts';
import { NearMisses, type Obstacle } from './near-misses.ts';
import { TextMatcher } from './text-matcher.ts';

/** Points of a request or task at which a rule can fire; see docs/reference/faults.md. */
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
  /** Returns the client's text fields; called at most once, when a rule has `match.contains`. */
  text: () => string;
  /** Identifies the request among the near misses of a rule; called only if there are any. */
  identify: () => { requestId: string; atMs: number };
}

/** Maximum count of a rule's matches, and of its firings; further ones do not increase it. */
export const MAX_MATCHES = 1_000_000_000_000;

/** Approximate size of a stored rule. */
const RULE_BYTES = 300;
/** A rule is stored as UTF-8, and cached as an object. */
const BYTES_PER_RULE_CHARACTER = 4;

type FaultRow = Pick<Fault, 'id' | 'accountId' | 'matched' | 'fired'> & { rule: string };

/** Product of the lengths of a text and all patterns, up to which searching for each pattern takes a few ms at most. */
const MAX_COMPARISONS = 10_000_000;

export type Faults = ReturnType<typeof createFaults>;

/**
 * Fault rules of accounts and global fault rules. They are stored in the database, so that snapshots include them and
 * they survive a restart, and cached in memory, so that a request costs next to nothing while there are none.
 */
export function createFaults({ db, transactions, events, storage }: CoreContext) {
  const load = db.prepare<[number | null], FaultRow>(
    'SELECT id, account_id AS accountId, rule, matched, fired FROM faults WHERE account_id IS ? ORDER BY id',
  );
  const findAny = db.prepare<[]>('SELECT 1 FROM faults LIMIT 1');
  const insert = db.prepare<Omit<FaultRow, 'id'>>(
    'INSERT INTO faults (account_id, rule, matched, fired) VALUES (@accountId, @rule, @matched, @fired)',
  );
  const updateCounts = db.prepare<Pick<Fault, 'id' | 'matched' | 'fired'>>(
    'UPDATE faults SET matched = @matched, fired = @fired WHERE id = @id',
  );
  const removeOne = db.prepare<[number]>('DELETE FROM faults WHERE id = ?');
  const removeAll = db.prepare<[number | null]>('DELETE FROM faults WHERE account_id IS ?');
  const copyRules = db.prepare<{ fromId: number; toId: number }>(`
    INSERT INTO faults (account_id, rule, matched, fired)
    SELECT @toId, rule, matched, fired FROM faults WHERE account_id = @fromId ORDER BY id`);

  /** Rules by account id, global ones under null, loaded on first use. A change of rules replaces the list. */
  const cache = new Map<number | null, readonly Fault[]>();
  /** Whether no rule exists; undefined while unknown. */
  let isEmpty: boolean | undefined;
  function invalidate(): void {
    cache.clear();
    isEmpty = undefined;
    lastMatcher = undefined;
  }
  transactions.onRollback(invalidate);

  function hasNoRules(): boolean {
    isEmpty ??= findAny.get() === undefined;
    return isEmpty;
  }

  function listRules(accountId: number | null): readonly Fault[] {
    let rules = cache.get(accountId);
    if (!rules) {
      rules = load.all(accountId).map(toFault);
      cache.set(accountId, rules);
    }
    return rules;
  }

  /** The matcher for the last long text. Rules change and long texts come rarely, so one is enough. */
  let lastMatcher: { own: readonly Fault[]; global: readonly Fault[]; matcher: TextMatcher } | undefined;

  /** Returns a predicate for the patterns of these rules: whether the text contains the pattern. */
  function searchText(text: string, own: readonly Fault[], global: readonly Fault[]): TextPredicate {
    const patterns = [...own, ...global].flatMap(({ match }) => match.contains ?? []);
    const patternsLength = patterns.reduce((sum, { length }) => sum + length, 0);
    if (text.length * patternsLength <= MAX_COMPARISONS) return (pattern) => text.includes(pattern);
    if (lastMatcher?.own !== own || lastMatcher.global !== global) {
      lastMatcher = { own, global, matcher: new TextMatcher(patterns) };
    }
    return lastMatcher.matcher.search(text);
  }

  const emitChange = (accountId: number | null) => events.emit({ type: 'account', accountId, change: 'faults' });

  const nearMisses = new NearMisses();

  const writeCounts = transactions.exclusive((id: number, matched: number, fired: number) => {
    updateCounts.run({ id, matched, fired });
  });

  /** Counts the match. Returns what keeps the rule from firing; null if it fires. */
  function countMatch(fault: Fault, accountSeed: string): Obstacle | null {
    const matched = Math.min(fault.matched + 1, MAX_MATCHES);
    const isUnlucky = () =>
      fault.probability !== undefined &&
      seededRandom('fault', fault.seed ?? accountSeed, matched).next() >= fault.probability;
    const obstacle = matched <= (fault.after ?? 0) ? 'after' : isUnlucky() ? 'probability' : null;
    const fired = Math.min(fault.fired + (obstacle === null ? 1 : 0), MAX_MATCHES - (fault.after ?? 0));
    // Database first: a rule whose counts cannot be written has not fired.
    writeCounts(fault.id, matched, fired);
    Object.assign(fault, { matched, fired });
    return obstacle;
  }

  /** Adds a rule with its counts to an account that is being created; emits no event of its own. */
  function addCounted(accountId: number, rule: Rule, matched: number, fired: number): void {
    insert.run({ accountId, rule: JSON.stringify(rule), matched, fired });
    cache.delete(accountId);
    isEmpty = undefined;
  }

  // Like all changes here, not in the transaction of a submission of the same turn, whose failure would undo them.
  const insertRule = transactions.exclusive((accountId: number | null, rule: string): Fault => {
    const previous = listRules(accountId);
    const counts = { matched: 0, fired: 0 };
    const id = Number(insert.run({ accountId, rule, ...counts }).lastInsertRowid);
    const fault = toFault({ id, accountId, rule, ...counts });
    cache.set(accountId, [...previous, fault]);
    isEmpty = false;
    emitChange(accountId);
    return fault;
  });

  return {
    /** Whether no rule exists, neither of an account nor global. */
    isEmpty: hasNoRules,
    /**
     * Returns the first rule that fires: the account's rules before global ones, each in the order they were set. Records
     * the request for the rules that it came close to.
     */
    fire(stage: Stage, context: FaultContext, accountSeed: string): Fault | undefined {
      if (hasNoRules()) return undefined;
      const own = listRules(context.accountId);
      const global = listRules(null);
      let textContains: TextPredicate | undefined;
      const containsText = (pattern: string) => {
        textContains ??= searchText(context.text(), own, global);
        return textContains(pattern);
      };
      let fired: Fault | undefined;
      let identity: ReturnType<FaultContext['identify']> | undefined;
      const recordNearMiss = (fault: Fault, obstacle: Obstacle) => {
        identity ??= context.identify();
        const { family, endpoint: path } = context;
        const number = (obstacle === 'earlier rule' ? fired?.id : fault.matched) ?? 0;
        nearMisses.add(fault.id, { ...identity, family, path, obstacle, number });
      };
      for (const rules of [own, global]) {
        for (const fault of rules) {
          if (fault.at !== stage) continue;
          const unmet = findUnmet(fault, context, containsText);
          if (unmet !== null) {
            // Once a rule has matched, its `match` is right, and requests that it excludes are of no interest.
            if (unmet !== 'several' && fault.matched === 0 && !fired) recordNearMiss(fault, unmet);
            continue;
          }
          const isUsedUp = fault.times !== undefined && fault.fired >= fault.times;
          const obstacle = isUsedUp ? 'times' : fired ? 'earlier rule' : countMatch(fault, accountSeed);
          if (obstacle === null) fired = fault;
          else recordNearMiss(fault, obstacle);
        }
      }
      return fired;
    },

    /** Adds a rule to an account, or a global rule with null. @throws OUT_OF_MEMORY when it exceeds the budget */
    add(accountId: number | null, rule: Rule): Fault {
      const text = JSON.stringify(rule);
      const bytes = RULE_BYTES + text.length * BYTES_PER_RULE_CHARACTER;
      return storage.write(bytes, () => insertRule(accountId, text));
    },
    addCounted,
    /** Lists an account's rules, or the global ones with null, in the order they were set. */
    list: listRules,
    /** Finds a rule of an account, or a global one with null. */
    find: (accountId: number | null, id: number): Fault | undefined =>
      listRules(accountId).find((fault) => fault.id === id),
    /** Lists the latest requests that came close to a rule since the start, oldest first. */
    listNearMisses: (id: number) => nearMisses.list(id),
    /** Removes a rule; returns false when the account has no such rule. */
    remove: transactions.exclusive((accountId: number | null, id: number): boolean => {
      const previous = listRules(accountId);
      const remaining = previous.filter((fault) => fault.id !== id);
      if (remaining.length === previous.length) return false;
      removeOne.run(id);
      cache.set(accountId, remaining);
      isEmpty = undefined;
      emitChange(accountId);
      return true;
    }),
    clear: transactions.exclusive((accountId: number | null): void => {
      const { changes } = removeAll.run(accountId);
      cache.delete(accountId);
      isEmpty = undefined;
      if (changes > 0) emitChange(accountId);
    }),
    /** Copies an account's rules, with their counts, to another account. Must run inside a transaction. */
    copy(fromId: number, toId: number): void {
      copyRules.run({ fromId, toId });
      cache.delete(toId);
      isEmpty = undefined;
    },
    /** Clears the cache after accounts were created or removed together with their rules. */
    invalidate,
  };
}

const toFault = ({ rule, ...row }: FaultRow): Fault => ({ ...JSON.parse(rule), ...row });

type TextPredicate = (pattern: string) => boolean;

/**
 * Returns the condition of `match` that a request does not meet, 'several' if there are more or it does not matter
 * which one it is, or null if it meets all. The text is searched last, because that is expensive.
 */
function findUnmet(
  { match, matched }: Fault,
  { family, endpoint }: FaultContext,
  containsText: TextPredicate,
): Obstacle | 'several' | null {
  const isFamily = match.family === undefined || match.family === family;
  const isEndpoint = match.endpoint === undefined || match.endpoint === endpoint;
  const containsPattern = () => match.contains === undefined || containsText(match.contains);
  if (isFamily && isEndpoint) return containsPattern() ? null : 'contains';
  // Which condition it is matters only before the first match.
  if (isFamily === isEndpoint || matched > 0) return 'several';
  if (!containsPattern()) return 'several';
  return isFamily ? 'endpoint' : 'family';
}
