import type { Events } from '../events.ts';
import type { Faults } from '../faults/fault-rules.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { Limits } from '../time/rate-limiter.ts';
import type { Lives } from './account-lifetimes.ts';
import type { Account, Accounts } from './accounts.ts';

export type Resets = ReturnType<typeof createResets>;

/** An account that there was, and its snapshots. */
interface Gone {
  accountId: number;
  snapshotIds: number[];
}

/** Ends what an account was, so that nothing that was under way can touch what comes after. */
export function createResets(
  transactions: Transactions,
  accounts: Accounts,
  limits: Limits,
  faults: Faults,
  lives: Lives,
  events: Events,
) {
  /** Inside a transaction. */
  function removeRows(accountId: number): Gone {
    const snapshotIds = accounts.snapshotsOf(accountId);
    accounts.remove(accountId);
    return { accountId, snapshotIds };
  }

  /** Inside a transaction. */
  function resetRows(accountId: number): { account: Account; gone: Gone } {
    const { key, origin } = accounts.get(accountId);
    const profile = accounts.profileOf(accountId);
    const gone = removeRows(accountId);
    return { account: accounts.recreate(key, origin, profile), gone };
  }

  /** Inside a transaction, where nothing comes after it. */
  function removeForGood(accountId: number): Gone {
    const { key: goneKey } = accounts.get(accountId);
    events.emit({ type: 'account', accountId, change: 'removed', goneKey });
    return removeRows(accountId);
  }

  const resetOne = transactions.own(resetRows);
  const removeOne = transactions.own(removeForGood);
  const resetEverything = transactions.own((andThen: () => void): Gone[] => {
    const gone = accounts
      .all()
      .map(({ id, origin }) => (origin === 'self' ? removeForGood(id) : resetRows(id).gone));
    faults.clear(null);
    andThen();
    return gone;
  });

  /** Only when it is sure that they are gone: a transaction that fails must not have broken off anything. */
  function end(...gone: readonly Gone[]): void {
    faults.forget();
    for (const { accountId, snapshotIds } of gone) {
      for (const id of [...snapshotIds, accountId]) limits.forget(id);
      lives.end(accountId);
    }
  }

  return {
    /** As it was made. Answers it; its id is new. @throws EmulatorError ACCOUNT_NOT_FOUND */
    reset(accountId: number): Account {
      const { account, gone } = resetOne(accountId);
      end(gone);
      return account;
    },
    /** The account and all that is its own are gone. */
    remove: (accountId: number): void => end(removeOne(accountId)),
    /**
     * Every account as it was made; those that made themselves are gone, and so are the faults for everybody. `andThen` is
     * done in the same transaction.
     */
    resetAll: (andThen: () => void = () => {}): void => end(...resetEverything(andThen)),
  };
}
