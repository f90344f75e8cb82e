-- A file whose name is the client's own for its task is found by it: see families that answer in their request.
CREATE INDEX tasks_by_ref ON tasks (client_ref) WHERE client_ref IS NOT NULL AND driver = 'stream';
