-- All data of an API key references one row of accounts and is deleted with it.
-- Columns named *_at and *_ms are in milliseconds. Timestamps are on the account's own clock, except wake_at_ms, which
-- is wall time.

CREATE TABLE accounts (
  id          INTEGER PRIMARY KEY,
  key         TEXT    NOT NULL UNIQUE,
  -- A global reset deletes auto-created accounts ('self') and resets the others.
  origin      TEXT    NOT NULL CHECK (origin IN ('seed', 'self', 'control')),
  -- Written only by the trigger entry_moves_balance; always the sum of the account's entries.
  balance     INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0),
  rate_limit  INTEGER CHECK (rate_limit > 0),                  -- NULL: no limit
  clock_mode  TEXT    NOT NULL CHECK (clock_mode IN ('real', 'frozen', 'auto')),
  clock_ms    INTEGER NOT NULL,                                -- real: offset to wall time; else the time itself
  speed       REAL    NOT NULL CHECK (speed > 0),
  seed        TEXT    NOT NULL,
  revoked     INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1)),
  created_at  INTEGER NOT NULL,
  entry_count INTEGER NOT NULL DEFAULT 0,
  task_count  INTEGER NOT NULL DEFAULT 0,
  -- When the worker must process this account next, in wall time; NULL when nothing falls due on its own.
  wake_at_ms  INTEGER
) STRICT;

CREATE INDEX accounts_to_wake ON accounts (wake_at_ms) WHERE wake_at_ms IS NOT NULL;

-- Append-only. Numbered per account, so that an account's ids do not depend on other accounts.
CREATE TABLE ledger_entries (
  account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  seq        INTEGER NOT NULL,
  kind       TEXT    NOT NULL CHECK (kind IN ('grant', 'hold', 'capture', 'refund', 'adjust')),
  amount     INTEGER NOT NULL,
  balance    INTEGER NOT NULL CHECK (balance >= 0),            -- after this entry
  task_id    TEXT,
  hold_seq   INTEGER,                                          -- the hold that a capture or refund resolves
  reason     TEXT,
  at         INTEGER NOT NULL,
  PRIMARY KEY (account_id, seq),
  CHECK (CASE kind WHEN 'grant'   THEN amount > 0
                   WHEN 'hold'    THEN amount < 0
                   WHEN 'capture' THEN amount = 0
                   WHEN 'refund'  THEN amount > 0
                   ELSE amount <> 0 END),
  CHECK ((kind IN ('capture', 'refund')) = (hold_seq IS NOT NULL)),
  CHECK ((kind IN ('hold', 'capture', 'refund')) = (task_id IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_resolution_per_hold ON ledger_entries (account_id, hold_seq) WHERE hold_seq IS NOT NULL;

CREATE TRIGGER entry_follows_the_last BEFORE INSERT ON ledger_entries
WHEN NOT EXISTS (SELECT 1 FROM accounts
                 WHERE id = NEW.account_id AND entry_count + 1 = NEW.seq AND balance + NEW.amount = NEW.balance)
BEGIN SELECT RAISE(ABORT, 'ledger: an entry must follow the last one and carry the balance on'); END;

CREATE TRIGGER entry_resolves_a_hold BEFORE INSERT ON ledger_entries
WHEN NEW.hold_seq IS NOT NULL
 AND NOT EXISTS (SELECT 1 FROM ledger_entries AS hold
                 WHERE hold.account_id = NEW.account_id AND hold.seq = NEW.hold_seq AND hold.kind = 'hold'
                   AND hold.task_id = NEW.task_id AND (NEW.kind = 'capture' OR hold.amount = -NEW.amount))
BEGIN SELECT RAISE(ABORT, 'ledger: a capture or refund must resolve a hold of its task, a refund in full'); END;

CREATE TRIGGER entry_moves_balance AFTER INSERT ON ledger_entries
BEGIN UPDATE accounts SET balance = NEW.balance, entry_count = NEW.seq WHERE id = NEW.account_id; END;

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON ledger_entries
BEGIN SELECT RAISE(ABORT, 'ledger: entries are append-only'); END;

-- Entries can only be deleted together with their account, whose row is deleted first.
CREATE TRIGGER entry_is_never_removed BEFORE DELETE ON ledger_entries
WHEN EXISTS (SELECT 1 FROM accounts WHERE id = OLD.account_id)
BEGIN SELECT RAISE(ABORT, 'ledger: entries are append-only'); END;

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

CREATE INDEX tasks_due ON tasks (account_id, due_at, seq) WHERE due_at IS NOT NULL;
CREATE INDEX tasks_waiting ON tasks (account_id, follows) WHERE follows IS NOT NULL;
CREATE INDEX tasks_streaming ON tasks (account_id) WHERE driver = 'stream' AND status = 'processing';

CREATE TRIGGER task_is_paid_by_its_hold BEFORE INSERT ON tasks
WHEN NEW.hold_seq IS NOT NULL
 AND NOT EXISTS (SELECT 1 FROM ledger_entries
                 WHERE account_id = NEW.account_id AND seq = NEW.hold_seq AND kind = 'hold'
                   AND task_id = NEW.id AND amount = -NEW.price)
BEGIN SELECT RAISE(ABORT, 'tasks: a task needs a hold of its own over its whole price'); END;

CREATE TRIGGER task_begins_or_comes_with_its_hold_resolved BEFORE INSERT ON tasks
WHEN NEW.status <> 'processing' AND NEW.hold_seq IS NOT NULL
 AND NOT EXISTS (SELECT 1 FROM ledger_entries
                 WHERE account_id = NEW.account_id AND hold_seq = NEW.hold_seq
                   AND kind = CASE NEW.status WHEN 'completed' THEN 'capture' ELSE 'refund' END)
BEGIN SELECT RAISE(ABORT, 'tasks: a task ends together with the capture or refund of its hold'); END;

CREATE TRIGGER task_ends_once BEFORE UPDATE OF status ON tasks
WHEN OLD.status <> 'processing'
BEGIN SELECT RAISE(ABORT, 'tasks: a finished task stays as it is'); END;

CREATE TRIGGER task_ends_with_its_hold_resolved BEFORE UPDATE OF status ON tasks
WHEN NEW.status <> 'processing' AND NEW.hold_seq IS NOT NULL
 AND NOT EXISTS (SELECT 1 FROM ledger_entries
                 WHERE account_id = NEW.account_id AND hold_seq = NEW.hold_seq
                   AND kind = CASE NEW.status WHEN 'completed' THEN 'capture' ELSE 'refund' END)
BEGIN SELECT RAISE(ABORT, 'tasks: a task ends together with the capture or refund of its hold'); END;

-- The rate limiter's counts, saved at intervals and at a graceful shutdown.
CREATE TABLE rate_windows (
  account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
  started_at INTEGER NOT NULL,
  count      INTEGER NOT NULL CHECK (count > 0)
) STRICT;
