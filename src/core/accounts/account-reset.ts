import type { Events } from '../events.ts';
import type { Faults } from '../faults/fault-rules.ts';
import type { StorageMemory } from '../storage/storage-memory.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { RateLimiter } from '../time/rate-limiter.ts';
import type { AccountLifetimes } from './account-lifetimes.ts';
import type { Account, Accounts } from './accounts.ts';

export type Resets = ReturnType<typeof createResets>;

/** Ids of rows that a transaction deleted, for the clean-up after its commit. */
interface RemovedAccount {
  accountId: number;
  snapshotIds: number[];
}

/** Resets and removes accounts, and ends their lifetimes so that work in progress cannot affect a successor. */
export function createResets(
  transactions: Transactions,
  accounts: Accounts,
  rateLimiter: RateLimiter,
  faults: Faults,
  lifetimes: AccountLifetimes,
  events: Events,
  storage: StorageMemory,
) {
  /** Must run inside a transaction. */
  function removeRows(accountId: number): RemovedAccount {
    const snapshotIds = accounts.listSnapshotIds(accountId);
    accounts.remove(accountId);
    return { accountId, snapshotIds };
  }

  /** Must run inside a transaction. */
  function resetRows(accountId: number): { account: Account; removed: RemovedAccount } {
    const { key, origin } = accounts.get(accountId);
    const profile = accounts.getProfile(accountId);
    const removed = removeRows(accountId);
    return { account: accounts.recreate(key, origin, profile), removed };
  }

  /** Removes an account that gets no successor. Must run inside a transaction. */
  function removeForGood(accountId: number): RemovedAccount {
    const { key: removedKey } = accounts.get(accountId);
    events.emit({ type: 'account', accountId, change: 'removed', removedKey });
    return removeRows(accountId);
  }

  const resetOne = transactions.exclusive(resetRows);
  const removeOne = transactions.exclusive(removeForGood);
  const resetAllRows = transactions.exclusive((inSameTransaction: () => void): RemovedAccount[] => {
    const removed = accounts
      .all()
      .map(({ id, origin }) => (origin === 'self' ? removeForGood(id) : resetRows(id).removed));
    faults.clear(null);
    inSameTransaction();
    return removed;
  });

  /** Must run after the commit: a failed transaction must not cancel any work in progress. */
  function cleanUp(removed: readonly RemovedAccount[]): void {
    faults.invalidate();
    for (const { accountId, snapshotIds } of removed) {
      for (const id of [...snapshotIds, accountId]) rateLimiter.clear(id);
      lifetimes.end(accountId);
    }
    storage.measureAtTurnEnd();
  }

  return {
    /** Recreates the account in its initial state, under a new id. @throws ACCOUNT_NOT_FOUND when it does not exist */
    reset(accountId: number): Account {
      const { account, removed } = resetOne(accountId);
      cleanUp([removed]);
      return account;
    },
    /** Removes the account with all its data. @throws ACCOUNT_NOT_FOUND when it does not exist */
    remove: (accountId: number): void => cleanUp([removeOne(accountId)]),
    /**
     * Removes an account that another one replaces. Must run inside a transaction; returns the clean-up to call after
     * its commit.
     */
    removeRows(accountId: number): () => void {
      const removed = removeRows(accountId);
      return () => cleanUp([removed]);
    },
    /**
     * Resets all accounts, but removes auto-created ones and global rules; `inSameTransaction` runs before the commit.
     */
    resetAll: (inSameTransaction: () => void = () => {}): void => cleanUp(resetAllRows(inSameTransaction)),
  };
}
