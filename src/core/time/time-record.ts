import { type Db, queryValue } from '../storage/database.ts';
import type { Clock } from './clock.ts';

/** How often the time is recorded while nothing else is written. */
const IDLE_INTERVAL_MS = 60_000;

export type TimeRecord = ReturnType<typeof createTimeRecord>;

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
 * Returns the latest wall time that the database proves to have passed: the recorded time, or the newest ledger entry
 * of any account on a real clock, which a killed process may have written after the last record.
 */
export function readLastRecordedMs(db: Db): number {
  // Costs one index lookup per account, regardless of the length of its ledger.
  const latestMs = queryValue(
    db,
    `SELECT max((SELECT latest_ms FROM wall_clock),
                ifnull((SELECT max((SELECT at FROM ledger_entries WHERE account_id = accounts.id
                                    ORDER BY seq DESC LIMIT 1) - clock_ms)
                        FROM accounts WHERE clock_mode = 'real' AND snapshot_of IS NULL), 0))`,
  );
  return latestMs as number;
}
