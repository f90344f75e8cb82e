import { EmulatorError } from '../errors.ts';
import type { Db } from '../storage/database.ts';
import type { AccountLifetimes } from './account-lifetimes.ts';
import type { Resets } from './account-reset.ts';
import type { Account, AccountProfile, Accounts } from './accounts.ts';

/** Bounds what one new account can cost where most of the others are at work. */
const MAX_EVICTION_SCANS = 1000;

export type AutoAccounts = ReturnType<typeof createAutoAccounts>;

/**
 * The accounts that made themselves at their first request, `most` at once: for one more the least recently used one goes, with
 * all that is its own. One whose tasks run is in use. The order lives in memory, so that a request costs no write; after a
 * restart it is the order of their last tasks.
 */
export function createAutoAccounts(
  db: Db,
  deps: { accounts: Accounts; resets: Resets; lifetimes: AccountLifetimes; maxAccounts: number },
) {
  const { accounts, resets, lifetimes, maxAccounts } = deps;
  const byLastTask = db.prepare<[], { id: number; key: string }>(`
    SELECT id, key FROM accounts AS account WHERE origin = 'self' AND snapshot_of IS NULL
    ORDER BY (SELECT rowid FROM tasks WHERE account_id = account.id ORDER BY seq DESC LIMIT 1), id`);
  const runningTask = db
    .prepare<[number], number>(
      "SELECT 1 FROM tasks WHERE account_id = ? AND status = 'processing' ORDER BY seq DESC LIMIT 1",
    )
    .pluck();

  const lru = createLruList();
  /** Keys whose account has ended: after a reset there is another one. */
  const endedKeys = new Set<string>();
  for (const { id, key } of byLastTask.all()) lru.touch(id, key);
  lifetimes.onEnd((endedId) => {
    const key = lru.remove(endedId);
    if (key !== undefined) endedKeys.add(key);
  });

  function relinkAfterReset(): void {
    for (const key of endedKeys) {
      const account = accounts.find(key);
      if (account?.origin === 'self' && !lru.has(account.id)) lru.touch(account.id, key);
    }
    endedKeys.clear();
  }

  /** @throws EmulatorError TOO_MANY_ACCOUNTS */
  function evictLeastRecentlyUsed(): void {
    // There can be more than one too many, when the limit was another at an earlier start.
    for (let scans = Math.min(lru.size(), MAX_EVICTION_SCANS); lru.size() >= maxAccounts && scans > 0; scans -= 1) {
      const { id, key } = lru.oldest();
      if (runningTask.get(id) === undefined) resets.remove(id);
      // At work, so in use: the next one that comes need not look at it again.
      else lru.touch(id, key);
    }
    if (lru.size() < maxAccounts) return;
    throw new EmulatorError(
      'TOO_MANY_ACCOUNTS',
      `${maxAccounts} accounts have made themselves, and the tasks of the least recently used ones run (--auto-account-limit)`,
    );
  }

  return {
    /** An account whose client sends something. Only those that made themselves matter. */
    touch(account: Account): void {
      if (account.origin === 'self') lru.touch(account.id, account.key);
    },
    /** Makes one, and room for it. @throws EmulatorError TOO_MANY_ACCOUNTS when there is none to be had */
    create(key: string, profile: AccountProfile): Account {
      if (endedKeys.size > 0) relinkAfterReset();
      if (lru.size() >= maxAccounts) evictLeastRecentlyUsed();
      const account = accounts.create(key, 'self', profile);
      lru.touch(account.id, key);
      // Those that went to make room do not come back.
      endedKeys.clear();
      return account;
    },
  };
}

interface LruNode {
  id: number;
  key: string;
  previous: LruNode;
  next: LruNode;
}

/**
 * Keys by id in the order of their use, as a ring. A Map whose entries are taken out and put in again has an order, too, but gets
 * slow: what was taken out of it stays in the way until it is built anew.
 */
function createLruList() {
  const nodes = new Map<number, LruNode>();
  /** Between the newest and the oldest. */
  const sentinel = { id: 0, key: '' } as LruNode;
  sentinel.previous = sentinel;
  sentinel.next = sentinel;

  function unlink({ previous, next }: LruNode): void {
    previous.next = next;
    next.previous = previous;
  }

  return {
    size: (): number => nodes.size,
    has: (id: number): boolean => nodes.has(id),
    /** Only where there is one. */
    oldest: (): Pick<LruNode, 'id' | 'key'> => sentinel.next,
    /** The newest from now on. */
    touch(id: number, key: string): void {
      let node = nodes.get(id);
      if (node !== undefined && node === sentinel.previous) return;
      if (node) unlink(node);
      else {
        node = { id, key } as LruNode;
        nodes.set(id, node);
      }
      node.previous = sentinel.previous;
      node.next = sentinel;
      node.previous.next = node;
      sentinel.previous = node;
    },
    /** Its key; undefined where there was none. */
    remove(id: number): string | undefined {
      const node = nodes.get(id);
      if (!node) return undefined;
      unlink(node);
      nodes.delete(id);
      return node.key;
    },
  };
}
