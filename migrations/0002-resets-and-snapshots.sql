-- A reset or restore gives the key a row with a new id, so that work in progress for the old id finds no row to write
-- to. Ids are never reused.
CREATE TABLE account_ids (last INTEGER NOT NULL) STRICT;
INSERT INTO account_ids (last) SELECT ifnull(max(id), 0) FROM accounts;

-- The initial state of the account, to which a reset returns it.
ALTER TABLE accounts ADD COLUMN profile TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(profile));
UPDATE accounts SET profile = json_object(
  'credits', ifnull((SELECT amount FROM ledger_entries
                     WHERE account_id = accounts.id AND seq = 1 AND kind = 'grant'), 0),
  'rateLimit', rate_limit, 'clock', json_object('mode', clock_mode), 'speed', speed, 'seed', seed);

-- A snapshot is an account with all its rows, but without an API key.
ALTER TABLE accounts ADD COLUMN snapshot_of INTEGER REFERENCES accounts (id) ON DELETE CASCADE;
ALTER TABLE accounts ADD COLUMN snapshot_name TEXT;
-- The account's time when the snapshot was taken.
ALTER TABLE accounts ADD COLUMN snapshot_at INTEGER
  CHECK ((snapshot_of IS NULL) = (snapshot_name IS NULL) AND (snapshot_of IS NULL) = (snapshot_at IS NULL));

CREATE UNIQUE INDEX one_snapshot_per_name ON accounts (snapshot_of, snapshot_name) WHERE snapshot_of IS NOT NULL;

-- Fault rules. account_id NULL: for every account.
CREATE TABLE faults (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id INTEGER REFERENCES accounts (id) ON DELETE CASCADE,
  rule       TEXT    NOT NULL CHECK (json_valid(rule)),
  -- How often the rule matched and how often it fired; `after` and `probability` make the difference.
  matched    INTEGER NOT NULL DEFAULT 0,
  fired      INTEGER NOT NULL DEFAULT 0,
  CHECK (0 <= fired AND fired <= matched)
) STRICT;

CREATE INDEX faults_of ON faults (account_id, id);
