-- A window without requests is stored as well: a restart must not change the end of the hour.
CREATE TABLE rate_windows_with_empty (
  account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
  started_at INTEGER NOT NULL,
  count      INTEGER NOT NULL CHECK (count >= 0)
) STRICT;
INSERT INTO rate_windows_with_empty SELECT account_id, started_at, count FROM rate_windows;
DROP TABLE rate_windows;
ALTER TABLE rate_windows_with_empty RENAME TO rate_windows;

-- The latest wall time that was recorded; time continues from there if the system clock is set back.
CREATE TABLE wall_clock (latest_ms INTEGER NOT NULL) STRICT;
INSERT INTO wall_clock (latest_ms) VALUES (0);

-- Finished tasks that were evicted from memory; their ledger entries remain.
ALTER TABLE accounts ADD COLUMN evicted_tasks INTEGER NOT NULL DEFAULT 0 CHECK (evicted_tasks >= 0);
