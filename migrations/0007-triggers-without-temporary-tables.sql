-- The triggers insert with VALUES: INSERT … SELECT into a table with triggers would create a temporary table each time.

DROP TRIGGER task_holds_its_price;
DROP TRIGGER task_resolves_its_hold;

CREATE TRIGGER task_matches_its_entries AFTER INSERT ON tasks
WHEN NEW.hold_seq IS NOT NULL
 AND EXISTS (SELECT 1 FROM ledger_entries WHERE account_id = NEW.account_id AND seq = NEW.hold_seq
               AND ((kind, task_seq, amount) IS NOT ('hold', NEW.seq, -NEW.price)
                 OR (SELECT kind FROM ledger_entries
                     WHERE account_id = NEW.account_id AND hold_seq = NEW.hold_seq AND hold_seq IS NOT NULL)
                    IS NOT CASE NEW.status WHEN 'completed' THEN 'capture' WHEN 'failed' THEN 'refund' END))
BEGIN SELECT RAISE(ABORT, 'tasks: a task must match the entries that exist for it'); END;

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
