import type { Events } from '../events.ts';
import type { Faults } from '../faults/fault-rules.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { RateLimiter } from '../time/rate-limiter.ts';
import type { AccountLifetimes } from './account-lifetimes.ts';
import type { Account, Accounts } from './accounts.ts';

export type Resets = ReturnType<typeof createResets>;

/** An account that there was, and its snapshots. */
interface RemovedAccount {
  accountId: number;
  snapshotIds: number[];
}

/** Ends what an account was, so that nothing that was under way can touch what comes after. */
export function createResets(
  transactions: Transactions,
  accounts: Accounts,
  rateLimiter: RateLimiter,
  faults: Faults,
  lifetimes: AccountLifetimes,
  events: Events,
) {
  /** Inside a transaction. */
  function removeRows(accountId: number): RemovedAccount {
    const snapshotIds = accounts.listSnapshotIds(accountId);
    accounts.remove(accountId);
    return { accountId, snapshotIds };
  }

  /** Inside a transaction. */
  function resetRows(accountId: number): { account: Account; removed: RemovedAccount } {
    const { key, origin } = accounts.get(accountId);
    const profile = accounts.getProfile(accountId);
    const removed = removeRows(accountId);
    return { account: accounts.recreate(key, origin, profile), removed };
  }

  /** Inside a transaction, where nothing comes after it. */
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

  /** Only when it is sure that they are gone: a transaction that fails must not have broken off anything. */
  function cleanUp(...removed: readonly RemovedAccount[]): void {
    faults.invalidate();
    for (const { accountId, snapshotIds } of removed) {
      for (const id of [...snapshotIds, accountId]) rateLimiter.clear(id);
      lifetimes.end(accountId);
    }
  }

  return {
    /** As it was made. Answers it; its id is new. @throws EmulatorError ACCOUNT_NOT_FOUND */
    reset(accountId: number): Account {
      const { account, removed } = resetOne(accountId);
      cleanUp(removed);
      return account;
    },
    /** The account and all that is its own are gone. */
    remove: (accountId: number): void => cleanUp(removeOne(accountId)),
    /**
     * Every account as it was made; those that made themselves are gone, and so are the faults for everybody. `andThen` is
     * done in the same transaction.
     */
    resetAll: (inSameTransaction: () => void = () => {}): void => cleanUp(...resetAllRows(inSameTransaction)),
  };
}
