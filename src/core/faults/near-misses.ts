import { copyPrefix } from '../string-memory.ts';

/** Maximum number of near misses that are kept for each rule. */
const MAX_PER_RULE = 10;
/** Maximum number of rules whose near misses are kept, so that all of them take a few MB at most. */
const MAX_RULES = 1000;
/** Every path that rules are matched against is shorter. */
const MAX_PATH_LENGTH = 200;

/** The reason why a rule did not fire: a condition of it, or an earlier rule that fired. */
export type Obstacle = 'family' | 'endpoint' | 'contains' | 'times' | 'after' | 'probability' | 'earlier rule';

/** A request that came close to a rule but did not make it fire. */
export interface NearMiss {
  requestId: string;
  /** Time of the request on the account's clock. */
  atMs: number;
  family: string;
  path: string;
  obstacle: Obstacle;
  /** For `after`, the number of this request among the matching ones; for `earlier rule`, the id of that rule. */
  number: number;
}

/** The latest near misses of fault rules, by rule id, in memory. Ids of rules are never reused. */
export class NearMisses {
  readonly #byRule = new Map<number, NearMiss[]>();

  add(ruleId: number, nearMiss: NearMiss): void {
    let nearMisses = this.#byRule.get(ruleId);
    if (!nearMisses) {
      if (this.#byRule.size === MAX_RULES) this.#byRule.delete(this.#byRule.keys().next().value!);
      nearMisses = [];
      this.#byRule.set(ruleId, nearMisses);
    }
    // If the path is a slice of a URL, it would keep the whole URL in memory.
    nearMisses.push({ ...nearMiss, path: copyPrefix(nearMiss.path, MAX_PATH_LENGTH) });
    if (nearMisses.length > MAX_PER_RULE) nearMisses.shift();
  }

  /** Lists the near misses of a rule, oldest first. */
  list(ruleId: number): readonly NearMiss[] {
    return this.#byRule.get(ruleId) ?? [];
  }
}
