import type { AccountCache } from '../accounts/account-cache.ts';
import { CoreError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Db } from '../storage/database.ts';
import type { StorageMemory } from '../storage/storage-memory.ts';
import type { EntryKind, LedgerEntry } from './ledger-entry.ts';
import { createLedgerVerifier } from './ledger-verification.ts';

/** Approximate size of an entry with a reason. */
const ENTRY_BYTES = 500;

export type Ledger = ReturnType<typeof createLedger>;

/**
 * Append-only entries per account. Constraints and triggers enforce the invariants: a balance is never negative, each
 * entry continues the balance of the previous one, a hold is resolved once, and a refund returns it in full. Callers
 * write an entry and the task that it pays for in one transaction.
 */
export function createLedger(db: Db, accountCache: AccountCache, events: Events, storage: StorageMemory) {
  // Positional parameters: binding by name costs as much as the insert. The trigger entry_follows_the_last checks seq
  // and balance.
  const insert = db.prepare<
    [
      accountId: number,
      seq: number,
      kind: EntryKind,
      amount: number,
      balance: number,
      taskId: string | null,
      holdSeq: number | null,
      reason: string | null,
      atMs: number,
    ]
  >(`
    INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_id, hold_seq, reason, at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const holdAmount = db
    .prepare<[number, number], number>(
      "SELECT amount FROM ledger_entries WHERE account_id = ? AND seq = ? AND kind = 'hold'",
    )
    .pluck();
  const page = db.prepare<{ accountId: number; after: number; limit: number }, LedgerEntry>(`
    SELECT seq, kind, amount, balance, task_id AS taskId, hold_seq AS holdSeq, reason, at AS atMs
    FROM ledger_entries WHERE account_id = @accountId AND seq > @after ORDER BY seq LIMIT @limit`);
  const openHolds = db
    .prepare<[number], number>(`
      SELECT ifnull(-sum(hold.amount), 0) FROM ledger_entries AS hold
      WHERE hold.account_id = ? AND hold.kind = 'hold'
        AND NOT EXISTS (SELECT 1 FROM ledger_entries AS resolution
                        WHERE resolution.account_id = hold.account_id AND resolution.hold_seq = hold.seq)`)
    .pluck();

  function append(
    accountId: number,
    kind: EntryKind,
    amount: number,
    atMs: number,
    details: { taskId?: string; holdSeq?: number; reason?: string } = {},
  ): number {
    const { taskId = null, holdSeq = null, reason = null } = details;
    const account = accountCache.get(accountId);
    if (!account) throw new CoreError('ACCOUNT_NOT_FOUND', `account ${accountId} does not exist`);
    const seq = account.entryCount + 1;
    const balance = account.balance + amount;
    if (!Number.isSafeInteger(balance)) {
      throw new CoreError('BALANCE_TOO_HIGH', `${account.balance} plus ${amount} credits exceed the largest balance`);
    }
    insert.run(accountId, seq, kind, amount, balance, taskId, holdSeq, reason, atMs);
    accountCache.patch(accountId, { balance, entryCount: seq });
    if (events.hasListeners()) {
      const entry = { seq, kind, amount, balance, taskId, holdSeq, reason, atMs };
      events.emit({ type: 'ledger', accountId, entry });
    }
    return seq;
  }

  return {
    /**
     * Adds credits.
     * @throws BALANCE_TOO_HIGH when the balance would exceed 2^53 - 1, the largest exact integer
     * @throws OUT_OF_MEMORY when the entry exceeds the memory budget
     */
    grant: (accountId: number, credits: number, reason: string, atMs: number): number =>
      storage.write(ENTRY_BYTES, () => append(accountId, 'grant', credits, atMs, { reason })),

    /**
     * Adds or deducts credits manually.
     * @throws BALANCE_TOO_LOW when the balance would become negative
     * @throws OUT_OF_MEMORY when the entry exceeds the memory budget
     */
    adjust(accountId: number, amount: number, reason: string, atMs: number): number {
      const balance = accountCache.get(accountId)?.balance ?? 0;
      if (balance + amount < 0) {
        throw new CoreError('BALANCE_TOO_LOW', `${-amount} credits cannot be deducted from ${balance}`);
      }
      return storage.write(ENTRY_BYTES, () => append(accountId, 'adjust', amount, atMs, { reason }));
    },

    /** Deducts a task's price and returns the entry's `seq`. @throws an SQLite error when the balance is too low */
    hold: (accountId: number, credits: number, taskId: string, atMs: number): number =>
      append(accountId, 'hold', -credits, atMs, { taskId }),

    capture: (accountId: number, holdSeq: number, taskId: string, atMs: number) =>
      append(accountId, 'capture', 0, atMs, { taskId, holdSeq }),

    refund(accountId: number, holdSeq: number, taskId: string, reason: string, atMs: number) {
      const held = holdAmount.get(accountId, holdSeq);
      if (held === undefined) throw new CoreError('INTERNAL_ERROR', `hold ${holdSeq} does not exist`);
      return append(accountId, 'refund', -held, atMs, { taskId, holdSeq, reason });
    },

    balance: (accountId: number): number => accountCache.get(accountId)?.balance ?? 0,
    /** Returns the positive sum of holds that are neither captured nor refunded. */
    held: (accountId: number): number => openHolds.get(accountId) ?? 0,
    /** Returns up to `limit` entries, oldest first, starting after the entry with `seq` `after`. */
    entries: (accountId: number, limit: number, after = 0): LedgerEntry[] => page.all({ accountId, after, limit }),
    verify: createLedgerVerifier(db),
  };
}
