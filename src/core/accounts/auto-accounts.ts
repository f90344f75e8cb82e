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
  const byLastTask = db.prepare<[], { id: number; key: string }>(`
    SELECT id, key FROM accounts AS account WHERE origin = 'self' AND snapshot_of IS NULL
    ORDER BY (SELECT rowid FROM tasks WHERE account_id = account.id ORDER BY seq DESC LIMIT 1), id`);
  const synchronousPlans = db
    .prepare<[number], string>(
      "SELECT plan FROM tasks WHERE account_id = ? AND driver = 'stream' AND status = 'processing'",
    )
    .pluck();

  /** Keys by account id. The cache never evicts by itself, because accounts with running tasks must be skipped. */
  const keyById = createRecentCache<number, string>(Number.MAX_SAFE_INTEGER);
  /** Keys whose account's lifetime ended; after a reset or restore the key has an account with a new id. */
  const endedKeys = new Set<string>();
  for (const { id, key } of byLastTask.all()) keyById.set(id, key);
  lifetimes.onEnd((endedId) => {
    const key = keyById.peek(endedId);
    if (key === undefined) return;
    keyById.delete(endedId);
    endedKeys.add(key);
  });

  /** Marks the account as the most recently used one. */
  function touch({ id, key, origin }: Account): void {
    if (origin === 'self' && keyById.get(id) === undefined) keyById.set(id, key);
  }

  function relinkAfterReset(): void {
    for (const key of endedKeys) {
      const account = accounts.find(key);
      if (account && !keyById.has(account.id)) touch(account);
    }
    endedKeys.clear();
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

  /** @throws TOO_MANY_ACCOUNTS when the scanned accounts all have running tasks */
  function evictLeastRecentlyUsed(): void {
    // More than one account is over the limit when an earlier process ran with a higher limit.
    for (let scans = Math.min(keyById.size, MAX_EVICTION_SCANS); keyById.size >= maxAccounts && scans > 0; scans -= 1) {
      const id = keyById.rkeys().next().value!;
      if (!isInUse(id)) resets.remove(id);
      // Counts as used now, so that the next eviction does not scan it again.
      else keyById.get(id);
    }
    if (keyById.size < maxAccounts) return;
    throw new CoreError(
      'TOO_MANY_ACCOUNTS',
      `the limit of ${maxAccounts} auto-created accounts is reached, and the least recently used ones have running ` +
        'tasks (--auto-account-limit)',
    );
  }

  return {
    /**
     * Removes the least recently used account without running tasks. Returns false when there is none but the most
     * recently used one, whose request may be in progress.
     */
    evictOldest(): boolean {
      if (endedKeys.size > 0) relinkAfterReset();
      for (let scans = Math.min(keyById.size - 1, MAX_EVICTION_SCANS); scans > 0; scans -= 1) {
        const id = keyById.rkeys().next().value!;
        if (!isInUse(id)) {
          resets.remove(id);
          return true;
        }
        keyById.get(id);
      }
      return false;
    },
    /** Records a request of this account; ignores accounts that were not auto-created. */
    touch,
    /** Creates an account; evicts another at the limit. @throws TOO_MANY_ACCOUNTS when none can be evicted */
    create(key: string, profile: AccountProfile): Account {
      if (endedKeys.size > 0) relinkAfterReset();
      if (keyById.size >= maxAccounts) evictLeastRecentlyUsed();
      const account = accounts.create(key, 'self', profile);
      touch(account);
      // Evicted accounts have no successor.
      endedKeys.clear();
      return account;
    },
  };
}
