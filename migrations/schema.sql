-- The newest schema, for new databases. The numbered migrations bring older ones to the same; a test compares both.
--
-- All data of an API key references one row of accounts and is deleted with it.
-- Columns named *_at and *_ms are in milliseconds. Timestamps are on the account's own clock, except wake_at_ms and
-- latest_ms, which are wall time.

CREATE TABLE accounts (
  id            INTEGER PRIMARY KEY,
  key           TEXT    NOT NULL UNIQUE,
  -- A global reset deletes auto-created accounts ('self') and resets the others.
  origin        TEXT    NOT NULL CHECK (origin IN ('seed', 'self', 'control')),
  rate_limit    INTEGER CHECK (rate_limit > 0),                -- NULL: no limit
  clock_mode    TEXT    NOT NULL CHECK (clock_mode IN ('real', 'frozen', 'auto')),
  clock_ms      INTEGER NOT NULL,                              -- real: offset to wall time; else the time itself
  speed         REAL    NOT NULL CHECK (speed > 0),
  seed          TEXT    NOT NULL,
  revoked       INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1)),
  created_at    INTEGER NOT NULL,
  -- When the worker must process this account next, in wall time; NULL when nothing falls due on its own.
  wake_at_ms    INTEGER,
  -- The initial state of the account, to which a reset returns it.
  profile       TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(profile)),
  -- A snapshot is an account with all its rows, but without an API key.
  snapshot_of   INTEGER REFERENCES accounts (id) ON DELETE CASCADE,
  snapshot_name TEXT,
  -- The account's time when the snapshot was taken.
  snapshot_at   INTEGER
    CHECK ((snapshot_of IS NULL) = (snapshot_name IS NULL) AND (snapshot_of IS NULL) = (snapshot_at IS NULL)),
  -- The share of the account's tasks that fail by themselves.
  failure_rate  REAL    NOT NULL DEFAULT 0 CHECK (failure_rate BETWEEN 0 AND 1)
) STRICT;

CREATE INDEX accounts_to_wake ON accounts (wake_at_ms) WHERE wake_at_ms IS NOT NULL;
CREATE UNIQUE INDEX one_snapshot_per_name ON accounts (snapshot_of, snapshot_name) WHERE snapshot_of IS NOT NULL;

-- A reset or restore gives the key a row with a new id, so that work in progress for the old id finds no row to write
-- to. Ids are never reused.
CREATE TABLE account_ids (last INTEGER NOT NULL) STRICT;
INSERT INTO account_ids (last) VALUES (0);

-- seq numbers the tasks of an account, from 1.
CREATE TABLE tasks (
  account_id   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  seq          INTEGER NOT NULL,
  id           TEXT    NOT NULL,
  family       TEXT    NOT NULL,
  driver       TEXT    NOT NULL CHECK (driver IN ('worker', 'stream')),  -- stream: ends with its request
  status       TEXT    NOT NULL DEFAULT 'processing' CHECK (status IN ('processing', 'completed', 'failed')),
  price        INTEGER NOT NULL CHECK (price >= 0),
  hold_seq     INTEGER,
  client_ref   TEXT,                                           -- the client's own id: the id of a shot
  input        TEXT    NOT NULL CHECK (json_valid(input)),
  plan         TEXT    NOT NULL CHECK (json_valid(plan)),
  step         INTEGER NOT NULL DEFAULT 0,                     -- index in plan.steps
  follows      INTEGER,                                        -- seq of the task that must end before this one starts
  created_at   INTEGER NOT NULL,
  started_at   INTEGER,
  due_at       INTEGER,                                        -- next step or end; NULL: waits, or driver is stream
  finished_at  INTEGER,
  simulated_ms INTEGER,                                        -- generation time reported to the client
  error_code   TEXT,
  PRIMARY KEY (account_id, seq),
  UNIQUE (id, account_id),
  CHECK ((price > 0) = (hold_seq IS NOT NULL)),
  CHECK ((status = 'processing') = (finished_at IS NULL)),
  CHECK ((status = 'failed') = (error_code IS NOT NULL)),
  CHECK (due_at IS NULL OR (status = 'processing' AND started_at IS NOT NULL))
) STRICT;

CREATE INDEX tasks_running ON tasks (account_id, due_at, seq) WHERE status = 'processing';
CREATE INDEX tasks_waiting ON tasks (account_id, follows) WHERE follows IS NOT NULL;
-- Families with synchronous tasks name a result file by the client's own id of the task (client_ref).
CREATE INDEX tasks_by_ref ON tasks (client_ref, finished_at)
  WHERE client_ref IS NOT NULL AND driver = 'stream' AND status = 'completed';

-- Append-only. Numbered per account, so that an account's ids do not depend on other accounts.
CREATE TABLE ledger_entries (
  account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  seq        INTEGER NOT NULL,
  kind       TEXT    NOT NULL,
  amount     INTEGER NOT NULL,
  balance    INTEGER NOT NULL CHECK (balance >= 0),            -- after this entry
  task_seq   INTEGER,
  hold_seq   INTEGER,                                          -- the hold that a capture or refund resolves
  reason     TEXT,
  at         INTEGER NOT NULL,
  PRIMARY KEY (account_id, seq),
  CONSTRAINT "each kind of entry has its fields" CHECK (
    CASE kind WHEN 'hold'    THEN amount < 0 AND task_seq IS NOT NULL AND hold_seq IS NULL
              WHEN 'capture' THEN amount = 0 AND task_seq IS NOT NULL AND hold_seq IS NOT NULL
              WHEN 'refund'  THEN amount > 0 AND task_seq IS NOT NULL AND hold_seq IS NOT NULL
              WHEN 'grant'   THEN amount > 0 AND task_seq IS NULL AND hold_seq IS NULL
              WHEN 'adjust'  THEN amount <> 0 AND task_seq IS NULL AND hold_seq IS NULL
              ELSE FALSE END)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_resolution_per_hold ON ledger_entries (account_id, hold_seq) WHERE hold_seq IS NOT NULL;

-- Copies of an account get their entries before their tasks.
CREATE TRIGGER entry_is_allowed BEFORE INSERT ON ledger_entries
BEGIN
  SELECT RAISE(ABORT, 'ledger: an entry must follow the last one and carry the balance on')
  WHERE NOT ifnull((SELECT NEW.seq = seq + 1 AND NEW.balance = balance + NEW.amount
                    FROM ledger_entries WHERE account_id = NEW.account_id ORDER BY seq DESC LIMIT 1),
                   NEW.seq = 1 AND NEW.balance = NEW.amount);
  SELECT RAISE(ABORT, 'ledger: the entries of a task must match it')
  FROM tasks WHERE account_id = NEW.account_id AND seq = NEW.task_seq
    AND CASE NEW.kind WHEN 'hold'    THEN hold_seq <> NEW.seq OR price <> -NEW.amount OR status <> 'processing'
                      WHEN 'capture' THEN hold_seq <> NEW.hold_seq OR status <> 'completed'
                      ELSE                hold_seq <> NEW.hold_seq OR status <> 'failed' END;
  SELECT RAISE(ABORT, 'ledger: a capture or refund must resolve an open hold of its task, a refund in full')
  WHERE NEW.hold_seq IS NOT NULL
    AND (NOT EXISTS (SELECT 1 FROM ledger_entries
                     WHERE account_id = NEW.account_id AND seq = NEW.hold_seq AND kind = 'hold'
                       AND task_seq = NEW.task_seq AND (NEW.kind = 'capture' OR amount = -NEW.amount))
      OR EXISTS (SELECT 1 FROM ledger_entries
                 WHERE account_id = NEW.account_id AND hold_seq = NEW.hold_seq AND hold_seq IS NOT NULL));
END;

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON ledger_entries
BEGIN SELECT RAISE(ABORT, 'ledger: entries are append-only'); END;

-- Entries can only be deleted together with their account, whose row is deleted first.
CREATE TRIGGER entry_is_never_removed BEFORE DELETE ON ledger_entries
WHEN EXISTS (SELECT 1 FROM accounts WHERE id = OLD.account_id)
BEGIN SELECT RAISE(ABORT, 'ledger: entries are append-only'); END;

CREATE TRIGGER task_matches_its_entries AFTER INSERT ON tasks
WHEN NEW.hold_seq IS NOT NULL
 AND EXISTS (SELECT 1 FROM ledger_entries WHERE account_id = NEW.account_id AND seq = NEW.hold_seq
               AND ((kind, task_seq, amount) IS NOT ('hold', NEW.seq, -NEW.price)
                 OR (SELECT kind FROM ledger_entries
                     WHERE account_id = NEW.account_id AND hold_seq = NEW.hold_seq AND hold_seq IS NOT NULL)
                    IS NOT CASE NEW.status WHEN 'completed' THEN 'capture' WHEN 'failed' THEN 'refund' END))
BEGIN SELECT RAISE(ABORT, 'tasks: a task must match the entries that exist for it'); END;

-- The triggers insert with VALUES: INSERT … SELECT into a table with triggers would create a temporary table each time.
CREATE TRIGGER task_holds_its_price AFTER INSERT ON tasks
WHEN NEW.hold_seq IS NOT NULL
 AND NOT EXISTS (SELECT 1 FROM ledger_entries WHERE account_id = NEW.account_id AND seq = NEW.hold_seq)
BEGIN
  INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_seq, at)
  VALUES (NEW.account_id, NEW.hold_seq, 'hold', -NEW.price,
          ifnull((SELECT balance FROM ledger_entries
                  WHERE account_id = NEW.account_id ORDER BY seq DESC LIMIT 1), 0) - NEW.price,
          NEW.seq, NEW.created_at);
END;

CREATE TRIGGER task_ends_once AFTER UPDATE OF status ON tasks
WHEN OLD.status <> 'processing'
BEGIN SELECT RAISE(ABORT, 'tasks: a finished task stays as it is'); END;

CREATE TRIGGER task_resolves_its_hold AFTER UPDATE OF status ON tasks
WHEN OLD.status = 'processing' AND NEW.status <> 'processing' AND NEW.hold_seq IS NOT NULL
BEGIN
  INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_seq, hold_seq, reason, at)
  VALUES (NEW.account_id, (SELECT max(seq) FROM ledger_entries WHERE account_id = NEW.account_id) + 1,
          iif(NEW.status = 'completed', 'capture', 'refund'), iif(NEW.status = 'completed', 0, NEW.price),
          (SELECT balance FROM ledger_entries WHERE account_id = NEW.account_id ORDER BY seq DESC LIMIT 1)
            + iif(NEW.status = 'completed', 0, NEW.price),
          NEW.seq, NEW.hold_seq, NEW.error_code, NEW.finished_at);
END;

CREATE TRIGGER task_keeps_its_order BEFORE UPDATE OF account_id, seq, id, price, hold_seq ON tasks
BEGIN SELECT RAISE(ABORT, 'tasks: the number, id, price and hold of a task never change'); END;

-- Ids of finished tasks that were evicted from memory; their ledger entries remain.
CREATE TABLE evicted_tasks (
  account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  seq        INTEGER NOT NULL,
  id         TEXT    NOT NULL,
  PRIMARY KEY (account_id, seq)
) STRICT, WITHOUT ROWID;

-- With its account, whose row is deleted first, any task can be deleted.
CREATE TRIGGER task_runs_to_its_end BEFORE DELETE ON tasks
WHEN OLD.status = 'processing' AND EXISTS (SELECT 1 FROM accounts WHERE id = OLD.account_id)
BEGIN SELECT RAISE(ABORT, 'tasks: a running task cannot be deleted'); END;

CREATE TRIGGER task_leaves_its_id AFTER DELETE ON tasks
WHEN EXISTS (SELECT 1 FROM accounts WHERE id = OLD.account_id)
BEGIN INSERT INTO evicted_tasks (account_id, seq, id) VALUES (OLD.account_id, OLD.seq, OLD.id); END;

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

-- The rate limiter's counts, saved at intervals and at a graceful shutdown. A window without requests is stored as well:
-- a restart must not change the end of the hour.
CREATE TABLE rate_windows (
  account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
  started_at INTEGER NOT NULL,
  count      INTEGER NOT NULL CHECK (count >= 0)
) STRICT;

-- The latest wall time that was recorded; time continues from there if the system clock is set back.
CREATE TABLE wall_clock (latest_ms INTEGER NOT NULL) STRICT;
INSERT INTO wall_clock (latest_ms) VALUES (0);
