import type { Db } from '../storage/database.ts';

/** SQL per invariant that lists its violations; an account is consistent when every query returns no rows. */
const INVARIANTS: Record<string, string> = {
  'the balance is not the sum of the entries': `
    SELECT 'balance ' || balance FROM accounts WHERE id = @accountId
      AND balance <> (SELECT ifnull(sum(amount), 0) FROM ledger_entries WHERE account_id = @accountId)`,
  'an entry does not continue the balance of the previous one': `
    SELECT 'entry ' || seq FROM (
      SELECT seq, balance, sum(amount) OVER (ORDER BY seq) AS expected
      FROM ledger_entries WHERE account_id = @accountId) WHERE balance <> expected`,
  'a hold was resolved more than once': `
    SELECT 'hold ' || hold_seq FROM ledger_entries WHERE account_id = @accountId AND hold_seq IS NOT NULL
    GROUP BY hold_seq HAVING count(*) > 1`,
  'a hold does not belong to a task': `
    SELECT 'hold ' || hold.seq FROM ledger_entries AS hold WHERE hold.account_id = @accountId AND hold.kind = 'hold'
      AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.account_id = @accountId AND tasks.id = hold.task_id
                      AND tasks.hold_seq = hold.seq)
      -- A finished task may have been evicted from memory.
      AND NOT (EXISTS (SELECT 1 FROM accounts WHERE id = @accountId AND evicted_tasks > 0)
               AND EXISTS (SELECT 1 FROM ledger_entries AS entry
                           WHERE entry.account_id = @accountId AND entry.hold_seq = hold.seq))`,
  'a finished task has an open hold': `
    SELECT 'task ' || id FROM tasks WHERE account_id = @accountId AND status <> 'processing' AND hold_seq IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM ledger_entries AS entry
                      WHERE entry.account_id = @accountId AND entry.hold_seq = tasks.hold_seq
                        AND entry.kind = CASE tasks.status WHEN 'completed' THEN 'capture' ELSE 'refund' END)`,
  'the hold of a running task was resolved': `
    SELECT 'task ' || id FROM tasks WHERE account_id = @accountId AND status = 'processing' AND hold_seq IS NOT NULL
      AND EXISTS (SELECT 1 FROM ledger_entries AS entry
                  WHERE entry.account_id = @accountId AND entry.hold_seq = tasks.hold_seq)`,
};

/**
 * Returns a function that checks an account's ledger from the rows themselves, without trusting the triggers that
 * enforce the invariants. It returns one sentence per violation.
 */
export function createLedgerVerifier(db: Db) {
  const checks = Object.entries(INVARIANTS).map(([invariant, sql]) => ({
    invariant,
    statement: db.prepare<{ accountId: number }, string>(sql).pluck(),
  }));
  return (accountId: number): string[] =>
    checks.flatMap(({ invariant, statement }) => statement.all({ accountId }).map((row) => `${invariant}: ${row}`));
}
