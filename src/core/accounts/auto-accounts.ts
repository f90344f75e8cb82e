import { CoreError } from '../errors.ts';
import type { Db } from '../storage/database.ts';
import { createRecentCache } from '../storage/recent-cache.ts';
import type { Plan } from '../tasks/plan.ts';
import { type Clock, timeScale } from '../time/clock.ts';
import type { AccountLifetimes } from './account-lifetimes.ts';
import type { Resets } from './account-reset.ts';
import type { Account, AccountProfile, Accounts } from './accounts.ts';

/** Accounts examined to find one to evict: bounds the cost of a new account while most have running tasks. */
const MAX_EVICTION_SCANS = 1000;

/** One hour of wall time. A task with nothing due until then does not protect its account from eviction. */
const MAX_PROTECTED_MS = 3_600_000;

/**
 * Creates accounts at the first request of an unknown key, up to `maxAccounts`. At the limit, the least recently used
 * account is evicted with all its data; accounts with running tasks are in use and are skipped. A task that hangs, or
 * that waits for a clock to be advanced, does not count as running: otherwise a few clients could lock all others out.
 * The order of use is kept in memory, so that a request costs no write; after a restart it is the order of the
 * accounts' last tasks.
 */
export function createAutoAccounts(
  db: Db,
  deps: { clock: Clock; accounts: Accounts; resets: Resets; lifetimes: AccountLifetimes; maxAccounts: number },
) {
  const { clock, accounts, resets, lifetimes, maxAccounts } = deps;
  const byLastTask = db
    .prepare<[], number>(`
      SELECT id FROM accounts AS account WHERE origin = 'self' AND snapshot_of IS NULL
      ORDER BY (SELECT rowid FROM tasks WHERE account_id = account.id ORDER BY seq DESC LIMIT 1), id`)
    .pluck();
  const synchronousPlans = db
    .prepare<[number], string>(
      "SELECT plan FROM tasks WHERE account_id = ? AND driver = 'stream' AND status = 'processing'",
    )
    .pluck();

  /** Ids by their last use. The cache never evicts by itself, because accounts with running tasks must be skipped. */
  const used = createRecentCache<number, true>(Number.MAX_SAFE_INTEGER);
  for (const id of byLastTask.all()) used.set(id, true);
  lifetimes.onEnd((endedId, successor) => {
    if (used.delete(endedId) && successor) touch(successor);
  });

  /** Marks the account as the most recently used one. */
  function touch({ id, origin }: Account): void {
    if (origin === 'self' && used.get(id) === undefined) used.set(id, true);
  }

  /** Whether a task of the account is going to end soon without further requests. */
  function isInUse(id: number): boolean {
    const account = accounts.get(id);
    const { wakeAtMs } = account;
    if (wakeAtMs !== null && wakeAtMs - clock.nowMs() <= MAX_PROTECTED_MS) return true;
    return synchronousPlans.all(id).some((json) => {
      const { outcome, endMs }: Plan = JSON.parse(json);
      return outcome.status !== 'hangs' && endMs / timeScale(account) <= MAX_PROTECTED_MS;
    });
  }

  /** Removes up to `count` of the `candidates` least recently used accounts. Returns how many could be removed. */
  function evict(count: number, candidates: number): number {
    let evicted = 0;
    for (let scans = Math.min(candidates, MAX_EVICTION_SCANS); evicted < count && scans > 0; scans -= 1) {
      const id = used.rkeys().next().value!;
      // An account in use counts as used now, so that the next eviction does not scan it again.
      if (isInUse(id)) used.get(id);
      else {
        resets.remove(id);
        evicted += 1;
      }
    }
    return evicted;
  }

  return {
    /**
     * Removes the least recently used account without running tasks. Returns false when there is none but the most
     * recently used one, whose request may be in progress.
     */
    evictOldest: (): boolean => evict(1, used.size - 1) === 1,
    /** Records a request of this account; ignores accounts that were not auto-created. */
    touch,
    /** Creates an account; evicts another at the limit. @throws TOO_MANY_ACCOUNTS when none can be evicted */
    create(key: string, profile: AccountProfile): Account {
      // More than one account is over the limit when an earlier process ran with a higher limit.
      const excess = used.size + 1 - maxAccounts;
      if (excess > 0 && evict(excess, used.size) < excess) {
        throw new CoreError(
          'TOO_MANY_ACCOUNTS',
          `the limit of ${maxAccounts} auto-created accounts is reached, and the least recently used ones have running ` +
            'tasks (--auto-account-limit)',
        );
      }
      const account = accounts.create(key, 'self', profile);
      touch(account);
      return account;
    },
  };
}
