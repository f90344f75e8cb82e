import { type Db, queryValue } from '../storage/database.ts';

/**
 * Wall time that has passed for certain, as the last entry of each account on a real clock tells; minus infinity when
 * there is none. One look-up an account, however long its past.
 */
export function lastRecordedWallMs(db: Db): number {
  const latestMs = queryValue(
    db,
    `SELECT max(entry.at - account.clock_ms) FROM accounts AS account
     JOIN ledger_entries AS entry ON entry.account_id = account.id AND entry.seq = account.entry_count
     WHERE account.clock_mode = 'real' AND account.snapshot_of IS NULL`,
  );
  return (latestMs as number | null) ?? Number.NEGATIVE_INFINITY;
}
