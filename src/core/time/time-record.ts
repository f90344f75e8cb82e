import { type Db, queryValue } from '../storage/database.ts';
import type { Clock } from './clock.ts';

/** How often the time is recorded while nothing else is written. */
const IDLE_INTERVAL_MS = 60_000;

/** Records the wall time in the database, so that a later start can see whether the system clock was set back. */
export function createTimeRecord(db: Db, clock: Clock) {
  const update = db.prepare<[number]>('UPDATE wall_clock SET latest_ms = max(latest_ms, ?)');
  const totalChanges = db.prepare<[], number>('SELECT total_changes()').pluck();
  let recordedMs = Number.NEGATIVE_INFINITY;
  let changesAtRecord = 0;

  function save(): void {
    const nowMs = clock.nowMs();
    update.run(nowMs);
    recordedMs = nowMs;
    changesAtRecord = totalChanges.get()!;
  }

  return {
    save,
    /** Records the time if there were writes since the last record, or if that record is old. */
    saveIfStale(): void {
      if (totalChanges.get() !== changesAtRecord || clock.nowMs() - recordedMs >= IDLE_INTERVAL_MS) save();
    },
  };
}

/**
 * Returns the latest wall time that the database proves to have passed: the recorded time, or, if the process was killed,
 * the newest ledger entry of any account on a real clock, which it may have written after the last record.
 */
export function readLastRecordedMs(db: Db, wasKilled: boolean): number {
  const recordedMs = queryValue(db, 'SELECT latest_ms FROM wall_clock') as number;
  if (!wasKilled) return recordedMs;
  // Costs one index lookup per account, regardless of the length of its ledger, but reads a page for each.
  const newestMs = queryValue(
    db,
    `SELECT max((SELECT at FROM ledger_entries WHERE account_id = accounts.id ORDER BY seq DESC LIMIT 1) - clock_ms)
     FROM accounts WHERE clock_mode = 'real' AND snapshot_of IS NULL`,
  ) as number | null;
  return Math.max(recordedMs, newestMs ?? 0);
}
