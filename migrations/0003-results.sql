-- Families with synchronous tasks name a result file by the client's own id of the task (client_ref).
CREATE INDEX tasks_by_ref ON tasks (client_ref, finished_at)
  WHERE client_ref IS NOT NULL AND driver = 'stream' AND status = 'completed';
