-- The row of a task moves the money: its insertion writes the hold, and its end writes the capture or refund. Ledger
-- entries name their task by its number. Balances, and the numbers of entries and tasks, are no longer stored: the rows
-- themselves show them.

DROP TRIGGER IF EXISTS task_is_paid_by_its_hold;
DROP TRIGGER IF EXISTS task_begins_or_comes_with_its_hold_resolved;
DROP TRIGGER IF EXISTS task_ends_once;
DROP TRIGGER IF EXISTS task_ends_with_its_hold_resolved;
DROP TRIGGER IF EXISTS entry_follows_the_last;
DROP TRIGGER IF EXISTS entry_resolves_a_hold;
DROP TRIGGER IF EXISTS entry_moves_balance;
DROP TRIGGER IF EXISTS entry_is_never_changed;
DROP TRIGGER IF EXISTS entry_is_never_removed;
DROP INDEX IF EXISTS one_resolution_per_hold;
ALTER TABLE ledger_entries RENAME TO old_ledger_entries;

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

INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_seq, hold_seq, reason, at)
SELECT entry.account_id, entry.seq, kind, amount, balance, task.seq, entry.hold_seq, reason, at
FROM old_ledger_entries AS entry LEFT JOIN tasks AS task ON task.id = task_id AND task.account_id = entry.account_id
ORDER BY entry.account_id, entry.seq;
DROP TABLE old_ledger_entries;

CREATE UNIQUE INDEX one_resolution_per_hold ON ledger_entries (account_id, hold_seq) WHERE hold_seq IS NOT NULL;

-- The triggers below will only check new rows.
CREATE TABLE invalid_rows (
  entry TEXT CONSTRAINT "each ledger entry continues the balance" CHECK (entry IS NULL),
  task  TEXT CONSTRAINT "each task matches its ledger entries" CHECK (task IS NULL)
) STRICT;
INSERT INTO invalid_rows (entry)
SELECT account_id || ' ' || seq FROM (
  SELECT account_id, seq, balance, row_number() OVER entries AS position, sum(amount) OVER entries AS sum
  FROM ledger_entries WINDOW entries AS (PARTITION BY account_id ORDER BY seq))
WHERE seq <> position OR balance <> sum;
INSERT INTO invalid_rows (task)
SELECT id FROM tasks
WHERE hold_seq IS NOT NULL
  AND ((SELECT kind, task_seq, amount FROM ledger_entries
        WHERE account_id = tasks.account_id AND seq = tasks.hold_seq) IS NOT ('hold', seq, -price)
    OR (SELECT kind FROM ledger_entries
        WHERE account_id = tasks.account_id AND hold_seq = tasks.hold_seq AND hold_seq IS NOT NULL)
       IS NOT CASE status WHEN 'completed' THEN 'capture' WHEN 'failed' THEN 'refund' END);
DROP TABLE invalid_rows;

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

CREATE TRIGGER task_holds_its_price AFTER INSERT ON tasks
WHEN NEW.hold_seq IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'tasks: a task must match the entries that exist for it')
  FROM ledger_entries WHERE account_id = NEW.account_id AND seq = NEW.hold_seq
    AND ((kind, task_seq, amount) IS NOT ('hold', NEW.seq, -NEW.price)
      OR (SELECT kind FROM ledger_entries
          WHERE account_id = NEW.account_id AND hold_seq = NEW.hold_seq AND hold_seq IS NOT NULL)
         IS NOT CASE NEW.status WHEN 'completed' THEN 'capture' WHEN 'failed' THEN 'refund' END);
  INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_seq, at)
  SELECT NEW.account_id, NEW.hold_seq, 'hold', -NEW.price,
         ifnull((SELECT balance FROM ledger_entries
                 WHERE account_id = NEW.account_id ORDER BY seq DESC LIMIT 1), 0) - NEW.price,
         NEW.seq, NEW.created_at
  WHERE NOT EXISTS (SELECT 1 FROM ledger_entries WHERE account_id = NEW.account_id AND seq = NEW.hold_seq);
END;

CREATE TRIGGER task_resolves_its_hold AFTER UPDATE OF status ON tasks
BEGIN
  SELECT RAISE(ABORT, 'tasks: a finished task stays as it is') WHERE OLD.status <> 'processing';
  INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_seq, hold_seq, reason, at)
  SELECT account_id, seq + 1, iif(NEW.status = 'completed', 'capture', 'refund'),
         iif(NEW.status = 'completed', 0, NEW.price), balance + iif(NEW.status = 'completed', 0, NEW.price),
         NEW.seq, NEW.hold_seq, NEW.error_code, NEW.finished_at
  FROM ledger_entries
  WHERE account_id = NEW.account_id AND NEW.status <> 'processing' AND NEW.hold_seq IS NOT NULL
  ORDER BY seq DESC LIMIT 1;
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

DROP INDEX IF EXISTS tasks_due;
DROP INDEX IF EXISTS tasks_streaming;
CREATE INDEX tasks_running ON tasks (account_id, due_at, seq) WHERE status = 'processing';

ALTER TABLE accounts DROP COLUMN balance;
ALTER TABLE accounts DROP COLUMN entry_count;
ALTER TABLE accounts DROP COLUMN task_count;
ALTER TABLE accounts DROP COLUMN evicted_tasks;
