import type { AccountCache } from '../accounts/account-cache.ts';
import { EmulatorError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Db } from '../storage/database.ts';
import type { EntryKind, LedgerEntry } from './ledger-entry.ts';

export type Ledger = ReturnType<typeof createLedger>;

/**
 * Append-only entries per account. The schema keeps the promises: a balance never falls below zero, each entry carries
 * the balance on, a hold is resolved once and a refund returns it whole. Callers put an entry and what it pays for
 * into one transaction.
 */
export function createLedger(db: Db, accountCache: AccountCache, events: Events) {
  // Given by place, because names would cost as much as the row. The trigger entry_follows_the_last checks seq and balance.
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
    if (!account) throw new EmulatorError('ACCOUNT_NOT_FOUND', `account ${accountId} does not exist`);
    const seq = account.entryCount + 1;
    const balance = account.balance + amount;
    insert.run(accountId, seq, kind, amount, balance, taskId, holdSeq, reason, atMs);
    accountCache.patch(accountId, { balance, entryCount: seq });
    if (events.hasListeners()) {
      const entry = { seq, kind, amount, balance, taskId, holdSeq, reason, atMs };
      events.emit({ type: 'ledger', accountId, entry });
    }
    return seq;
  }

  return {
    grant: (accountId: number, credits: number, reason: string, atMs: number) =>
      append(accountId, 'grant', credits, atMs, { reason }),

    /**
     * Credits taken or given by hand. @throws EmulatorError BALANCE_TOO_LOW when more would be taken than there is
     */
    adjust(accountId: number, amount: number, reason: string, atMs: number): number {
      const balance = accountCache.get(accountId)?.balance ?? 0;
      if (balance + amount < 0) {
        throw new EmulatorError('BALANCE_TOO_LOW', `${-amount} credits cannot be taken from ${balance}`);
      }
      return append(accountId, 'adjust', amount, atMs, { reason });
    },

    /** The pre-deduction. @throws the database's refusal when the balance does not cover it: check before. */
    hold: (accountId: number, credits: number, taskId: string, atMs: number): number =>
      append(accountId, 'hold', -credits, atMs, { taskId }),

    capture: (accountId: number, holdSeq: number, taskId: string, atMs: number) =>
      append(accountId, 'capture', 0, atMs, { taskId, holdSeq }),

    refund(accountId: number, holdSeq: number, taskId: string, reason: string, atMs: number) {
      const held = holdAmount.get(accountId, holdSeq);
      if (held === undefined) throw new EmulatorError('INTERNAL_ERROR', `no hold ${holdSeq} to refund`);
      return append(accountId, 'refund', -held, atMs, { taskId, holdSeq, reason });
    },

    balance: (accountId: number): number => accountCache.get(accountId)?.balance ?? 0,
    /** The positive sum of holds that are neither captured nor refunded. */
    held: (accountId: number): number => openHolds.get(accountId) ?? 0,
    /** Oldest first, those after the entry `after`. */
    entries: (accountId: number, limit: number, after = 0): LedgerEntry[] => page.all({ accountId, after, limit }),
    verify: createVerifier(db),
  };
}

/** Each query lists what is wrong with one promise; an account is sound when all come back empty. */
const INVARIANTS: Record<string, string> = {
  'the balance is not the sum of the entries': `
    SELECT 'balance ' || balance FROM accounts WHERE id = @accountId
      AND balance <> (SELECT ifnull(sum(amount), 0) FROM ledger_entries WHERE account_id = @accountId)`,
  'an entry does not carry the balance on': `
    SELECT 'entry ' || seq FROM (
      SELECT seq, balance, sum(amount) OVER (ORDER BY seq) AS expected
      FROM ledger_entries WHERE account_id = @accountId) WHERE balance <> expected`,
  'a hold was resolved more than once': `
    SELECT 'hold ' || hold_seq FROM ledger_entries WHERE account_id = @accountId AND hold_seq IS NOT NULL
    GROUP BY hold_seq HAVING count(*) > 1`,
  'a hold belongs to no task': `
    SELECT 'hold ' || hold.seq FROM ledger_entries AS hold WHERE hold.account_id = @accountId AND hold.kind = 'hold'
      AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.account_id = @accountId AND tasks.id = hold.task_id
                      AND tasks.hold_seq = hold.seq)`,
  'a finished task left its hold open': `
    SELECT 'task ' || id FROM tasks WHERE account_id = @accountId AND status <> 'processing' AND hold_seq IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM ledger_entries AS entry
                      WHERE entry.account_id = @accountId AND entry.hold_seq = tasks.hold_seq
                        AND entry.kind = CASE tasks.status WHEN 'completed' THEN 'capture' ELSE 'refund' END)`,
  'the hold of a running task was resolved': `
    SELECT 'task ' || id FROM tasks WHERE account_id = @accountId AND status = 'processing' AND hold_seq IS NOT NULL
      AND EXISTS (SELECT 1 FROM ledger_entries AS entry
                  WHERE entry.account_id = @accountId AND entry.hold_seq = tasks.hold_seq)`,
};

/** Proves the ledger's promises from the rows themselves, without trusting the triggers that keep them. */
function createVerifier(db: Db) {
  const checks = Object.entries(INVARIANTS).map(([invariant, sql]) => ({
    invariant,
    statement: db.prepare<{ accountId: number }, string>(sql).pluck(),
  }));
  return (accountId: number): string[] =>
    checks.flatMap(({ invariant, statement }) => statement.all({ accountId }).map((row) => `${invariant}: ${row}`));
}
