import type { CoreContext } from '../context.ts';
import type { Faults } from '../faults/fault-rules.ts';
import type { AccountLifetimes } from './account-lifetimes.ts';
import type { Account, Accounts } from './accounts.ts';

export type Resets = ReturnType<typeof createResets>;

/** Resets and removes accounts, and ends their lifetimes so that work in progress cannot affect a successor. */
export function createResets(
  { transactions, events, storage }: CoreContext,
  accounts: Accounts,
  faults: Faults,
  lifetimes: AccountLifetimes,
) {
  const recreate = transactions.exclusive((accountId: number): Account => {
    const { key, origin } = accounts.get(accountId);
    const profile = accounts.getProfile(accountId);
    accounts.remove(accountId);
    return accounts.recreate(key, origin, profile);
  });

  /** Removes an account that gets no successor. */
  const removeForGood = transactions.exclusive((accountId: number): void => {
    const { id } = accounts.get(accountId);
    events.emit({ type: 'account', accountId: id, change: 'removed' });
    accounts.remove(id);
  });

  const resetAllRows = transactions.exclusive((inSameTransaction: () => void): number[] => {
    const all = accounts.all();
    for (const { id, origin } of all) {
      if (origin === 'self') removeForGood(id);
      else recreate(id);
    }
    faults.clear(null);
    inSameTransaction();
    return all.map(({ id }) => id);
  });

  /** Must run after the commit: a failed transaction must not cancel any work in progress. */
  function endLifetimes(accountIds: readonly number[], successor?: Account): void {
    for (const accountId of accountIds) lifetimes.end(accountId, successor);
    storage.measureAtTurnEnd();
  }

  return {
    /** Recreates the account in its initial state, under a new id. @throws ACCOUNT_NOT_FOUND when it does not exist */
    reset(accountId: number): Account {
      const account = recreate(accountId);
      endLifetimes([accountId], account);
      return account;
    },
    /** Removes the account with all its data. @throws ACCOUNT_NOT_FOUND when it does not exist */
    remove(accountId: number): void {
      removeForGood(accountId);
      endLifetimes([accountId]);
    },
    /**
     * Removes an account that another one replaces. Must run inside a transaction; returns the clean-up to call after
     * its commit.
     */
    removeRows(accountId: number): () => void {
      const { key } = accounts.get(accountId);
      accounts.remove(accountId);
      return () => endLifetimes([accountId], accounts.find(key));
    },
    /**
     * Resets all accounts, but removes auto-created ones and global rules; `inSameTransaction` runs before the commit.
     */
    resetAll: (inSameTransaction: () => void = () => {}): void => endLifetimes(resetAllRows(inSameTransaction)),
  };
}
