import type { Account, Accounts } from './accounts.ts';
import type { Faults } from './faults.ts';
import type { Limits } from './limits.ts';
import type { Lives } from './lives.ts';
import type { Transactions } from './transactions.ts';

export type Resets = ReturnType<typeof createResets>;

/** Ends what an account was, so that nothing that was under way can touch what comes after. */
export function createResets(
  transactions: Transactions,
  accounts: Accounts,
  limits: Limits,
  faults: Faults,
  lives: Lives,
) {
  function remove(accountId: number): void {
    for (const id of accounts.snapshotsOf(accountId)) limits.forget(id);
    accounts.remove(accountId);
    limits.forget(accountId);
    faults.forget();
    lives.end(accountId);
  }

  /** As it was made. Answers it; its id is new. @throws EmulatorError ACCOUNT_NOT_FOUND */
  const reset = transactions.own((accountId: number): Account => {
    const { key, origin } = accounts.get(accountId);
    const profile = accounts.profileOf(accountId);
    remove(accountId);
    return accounts.create(key, origin, profile);
  });

  return {
    reset,
    /** The account and all that is its own are gone. */
    remove: transactions.own(remove),
    /** Every account as it was made; those that made themselves are gone, and so are the faults for everybody. */
    resetAll: transactions.own((): void => {
      for (const { id, origin } of accounts.all()) {
        if (origin === 'self') remove(id);
        else reset(id);
      }
      faults.clear(null);
    }),
  };
}
