import type { AccountCache } from '../accounts/account-cache.ts';
import type { CoreContext } from '../context.ts';
import { CoreError } from '../errors.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { createLedgerVerifier } from './ledger-verification.ts';

/** Approximate size of an entry with a reason. */
const ENTRY_BYTES = 500;

type Change = Pick<LedgerEntry, 'kind' | 'amount' | 'atMs'> & Partial<Pick<LedgerEntry, 'taskId' | 'reason'>>;

export type Ledger = ReturnType<typeof createLedger>;

/**
 * Append-only entries per account. The database moves the money of tasks: triggers of the table `tasks` write holds,
 * captures and refunds. Only grants and adjustments are written here. Constraints and triggers enforce the invariants:
 * a balance is never negative, each entry continues the balance of the previous one, a hold is resolved once, and a
 * refund returns it in full.
 */
export function createLedger({ db, transactions, events, storage }: CoreContext, accountCache: AccountCache) {
  const insert = db.prepare<{ accountId: number } & Omit<LedgerEntry, 'taskId'>>(`
    INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, reason, at)
    VALUES (@accountId, @seq, @kind, @amount, @balance, @reason, @atMs)`);
  const page = db.prepare<{ accountId: number; after: number; limit: number }, LedgerEntry>(`
    SELECT entry.seq, kind, amount, balance, reason, at AS atMs,
           ifnull((SELECT id FROM tasks WHERE account_id = @accountId AND seq = task_seq),
                  (SELECT id FROM evicted_tasks WHERE account_id = @accountId AND seq = task_seq)) AS taskId
    FROM ledger_entries AS entry WHERE account_id = @accountId AND seq > @after ORDER BY seq LIMIT @limit`);
  const held = db
    .prepare<[number], number>("SELECT ifnull(sum(price), 0) FROM tasks WHERE account_id = ? AND status = 'processing'")
    .pluck();

  /**
   * Returns the account's next entry.
   * @throws BALANCE_TOO_LOW when the balance would become negative, BALANCE_TOO_HIGH when it would exceed 2^53 - 1
   */
  function toNextEntry(accountId: number, { kind, amount, atMs, taskId = null, reason = null }: Change): LedgerEntry {
    const account = accountCache.get(accountId)!;
    const balance = account.balance + amount;
    if (balance < 0) {
      throw new CoreError('BALANCE_TOO_LOW', `${-amount} credits cannot be deducted from ${account.balance}`);
    }
    if (!Number.isSafeInteger(balance)) {
      throw new CoreError('BALANCE_TOO_HIGH', `${account.balance} plus ${amount} credits exceed the largest balance`);
    }
    return { seq: account.entryCount + 1, kind, amount, balance, taskId, reason, atMs };
  }

  /** Updates the cached account after an entry was written, and reports the entry. */
  function reflect(accountId: number, entry: LedgerEntry): void {
    accountCache.patch(accountId, { balance: entry.balance, entryCount: entry.seq });
    events.emit({ type: 'ledger', accountId, entry });
  }

  // Not batched: a submission of the same turn that fails would otherwise undo the change, or lose its event.
  const append = transactions.exclusive((accountId: number, change: Change): void => {
    const entry = toNextEntry(accountId, change);
    insert.run({ accountId, ...entry });
    reflect(accountId, entry);
  });

  return {
    /**
     * Adds credits.
     * @throws BALANCE_TOO_HIGH when the balance would exceed 2^53 - 1, the largest exact integer
     * @throws OUT_OF_MEMORY when the entry exceeds the memory budget
     */
    grant: (accountId: number, credits: number, reason: string, atMs: number): void =>
      storage.write(ENTRY_BYTES, () => append(accountId, { kind: 'grant', amount: credits, reason, atMs })),

    /**
     * Adds or deducts credits manually.
     * @throws BALANCE_TOO_LOW when the balance would become negative
     * @throws OUT_OF_MEMORY when the entry exceeds the memory budget
     */
    adjust: (accountId: number, amount: number, reason: string, atMs: number): void =>
      storage.write(ENTRY_BYTES, () => append(accountId, { kind: 'adjust', amount, reason, atMs })),

    /** Must be called after each insertion or end of a task, whose trigger has written this hold, capture or refund. */
    reflectTask: (accountId: number, change: Change & { taskId: string }): void =>
      reflect(accountId, toNextEntry(accountId, change)),

    /** Returns the positive sum of holds that are neither captured nor refunded. */
    held: (accountId: number): number => held.get(accountId) ?? 0,
    /** Returns up to `limit` entries, oldest first, starting after the entry with `seq` `after`. */
    entries: (accountId: number, limit: number, after = 0): LedgerEntry[] => page.all({ accountId, after, limit }),
    verify: createLedgerVerifier(db),
  };
}
