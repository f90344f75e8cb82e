-- A file whose name is the client's own for its task is found by it: families that answer in their request have such files.
CREATE INDEX tasks_by_ref ON tasks (client_ref, finished_at)
  WHERE client_ref IS NOT NULL AND driver = 'stream' AND status = 'completed';
