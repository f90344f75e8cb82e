import type { Db } from '../storage/database.ts';

/** SQL per invariant that lists its violations; an account is consistent when every query returns no rows. */
const INVARIANTS: Record<string, string> = {
  'an entry does not follow the previous one': `
    SELECT 'entry ' || seq FROM (
      SELECT seq, balance, row_number() OVER entries AS position, sum(amount) OVER entries AS sum
      FROM ledger_entries WHERE account_id = @accountId WINDOW entries AS (ORDER BY seq))
    WHERE seq <> position OR balance <> sum OR balance < 0`,
  'a hold was resolved more than once': `
    SELECT 'hold ' || hold_seq FROM ledger_entries WHERE account_id = @accountId AND hold_seq IS NOT NULL
    GROUP BY hold_seq HAVING count(*) > 1`,
  'a capture or refund does not resolve a hold of its task': `
    SELECT 'entry ' || entry.seq FROM ledger_entries AS entry WHERE account_id = @accountId AND hold_seq IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM ledger_entries AS hold
                      WHERE hold.account_id = @accountId AND hold.seq = entry.hold_seq AND hold.kind = 'hold'
                        AND hold.task_seq = entry.task_seq
                        AND entry.amount = iif(entry.kind = 'refund', -hold.amount, 0))`,
  'a hold does not belong to a task': `
    SELECT 'hold ' || hold.seq FROM ledger_entries AS hold WHERE account_id = @accountId AND kind = 'hold'
      AND NOT EXISTS (SELECT 1 FROM tasks
                      WHERE account_id = @accountId AND seq = task_seq AND hold_seq = hold.seq AND price = -amount)
      AND NOT (EXISTS (SELECT 1 FROM evicted_tasks WHERE account_id = @accountId AND seq = task_seq)
               AND EXISTS (SELECT 1 FROM ledger_entries AS entry
                           WHERE entry.account_id = @accountId AND entry.hold_seq = hold.seq))`,
  'a task does not match its entries': `
    SELECT 'task ' || id FROM tasks WHERE account_id = @accountId AND hold_seq IS NOT NULL
      AND ((SELECT kind, task_seq, amount FROM ledger_entries
            WHERE account_id = @accountId AND seq = tasks.hold_seq) IS NOT ('hold', seq, -price)
        OR (SELECT kind FROM ledger_entries
            WHERE account_id = @accountId AND hold_seq = tasks.hold_seq AND hold_seq IS NOT NULL)
           IS NOT CASE status WHEN 'completed' THEN 'capture' WHEN 'failed' THEN 'refund' END)`,
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
