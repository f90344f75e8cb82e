import { findDifference, type Rows } from '../operations/operation.ts';
import { type AccountState, isRunning } from './account-model.ts';
import type { Model, ModelAccount } from './model.ts';
import { applyUntil, finish } from './transitions.ts';

/** Queries that return a row for each violation of a rule that holds for all accounts and snapshots at any time. */
const INVARIANTS: Record<string, string> = {
  'an entry does not follow the previous one': `
    SELECT account_id, seq FROM (
      SELECT account_id, seq, balance, sum(amount) OVER list AS total, count(*) OVER list AS position
      FROM ledger_entries WINDOW list AS (PARTITION BY account_id ORDER BY seq))
    WHERE balance <> total OR seq <> position OR balance < 0`,
  'a hold is not resolved exactly when its task has ended': `
    SELECT account_id, seq FROM tasks WHERE price > 0 AND (status <> 'processing') <> (
      SELECT count(*) FROM ledger_entries AS entry
      WHERE entry.account_id = tasks.account_id AND entry.task_seq = tasks.seq AND entry.kind <> 'hold')`,
  'a task does not have one hold of its price': `
    SELECT account_id, seq FROM tasks WHERE price > 0 AND 1 <> (
      SELECT count(*) FROM ledger_entries AS entry WHERE entry.account_id = tasks.account_id
        AND entry.task_seq = tasks.seq AND entry.kind = 'hold' AND entry.amount = -tasks.price)`,
  'a resolution does not fit the outcome': `
    SELECT tasks.account_id, tasks.seq FROM tasks JOIN ledger_entries AS entry
      ON entry.account_id = tasks.account_id AND entry.task_seq = tasks.seq AND entry.kind <> 'hold'
    WHERE kind <> iif(status = 'completed', 'capture', 'refund') OR amount <> iif(status = 'completed', 0, price)`,
  'an entry belongs to no task': `
    SELECT account_id, seq FROM ledger_entries AS entry WHERE task_seq IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM tasks WHERE tasks.account_id = entry.account_id AND tasks.seq = entry.task_seq)`,
  'a running task will never be processed': `
    SELECT tasks.account_id, tasks.seq FROM tasks JOIN accounts ON accounts.id = tasks.account_id
    WHERE status = 'processing' AND due_at IS NOT NULL AND clock_mode = 'real' AND snapshot_of IS NULL
      AND (wake_at_ms IS NULL OR wake_at_ms > due_at - clock_ms + 1000)`,
};
/** Returns one sentence for each rule that the rows violate. */
export function findViolations(rows: Rows): string[] {
  return Object.entries(INVARIANTS).flatMap(([rule, sql]) =>
    rows.all(sql).map(({ account_id, seq }) => `${rule}: account ${account_id}, number ${seq}`),
  );
}

const findId = (rows: Rows, key: string): number | undefined =>
  rows.all('SELECT id FROM accounts WHERE key = ?', key)[0]?.id;

/** Returns the first difference between the rows of a key and the model; undefined when both are the same. */
export function findRowDifference(rows: Rows, model: Model, key: string): string | undefined {
  const account = model.accounts.get(key);
  const [row] = rows.all('SELECT * FROM accounts WHERE key = ?', key);
  if (!account || !row)
    return Boolean(account) === Boolean(row) ? undefined : `${key} ${row ? 'exists' : 'is missing'}`;
  model.catchUp(account);
  const { state, snapshots } = account;
  const names = rows.all(
    'SELECT snapshot_name AS name, snapshot_at AS takenAt, id FROM accounts WHERE snapshot_of = ?',
    row.id,
  );
  const expectedNames = [...snapshots].map(([name, { takenAt }]) => ({ name, takenAt }));
  names.sort((one, other) => (one.name < other.name ? -1 : 1));
  expectedNames.sort((one, other) => (one.name < other.name ? -1 : 1));
  return (
    findStateDifference(rows, row.id, state, key) ??
    findDifference(names, expectedNames, `snapshots of ${key}`) ??
    names
      .map(({ id, name }) => findStateDifference(rows, id, snapshots.get(name)!.state, `snapshot ${name} of ${key}`))
      .find((difference) => difference !== undefined)
  );
}

function findStateDifference(rows: Rows, id: number, state: AccountState, label: string): string | undefined {
  const actual = {
    account: rows.all(
      'SELECT clock_mode, clock_ms, speed, seed, rate_limit, revoked FROM accounts WHERE id = ?',
      id,
    )[0],
    entries: rows.all(
      `SELECT kind, amount, balance, reason, at, (SELECT id FROM tasks WHERE account_id = entry.account_id
         AND seq = task_seq) AS taskId FROM ledger_entries AS entry WHERE account_id = ? ORDER BY seq`,
      id,
    ),
    tasks: rows.all(
      `SELECT seq, id, family, price, status, step, follows, created_at AS createdAt, started_at AS startedAt, due_at AS dueAt,
         finished_at AS finishedAt, simulated_ms AS simulatedMs, error_code AS errorCode
       FROM tasks WHERE account_id = ? ORDER BY seq`,
      id,
    ),
    rules: rows.all(
      `SELECT rule ->> '$.match.family' AS family, fired FROM faults WHERE account_id = ? ORDER BY id`,
      id,
    ),
  };
  const expected = {
    account: {
      ...{ clock_mode: state.mode, clock_ms: state.clockMs, speed: state.speed, seed: state.seed },
      ...{ rate_limit: state.limit, revoked: Number(state.revoked) },
    },
    entries: state.entries,
    tasks: state.tasks.map(({ isStream, ref, steps, endMs, outcome, ...task }) => task),
    rules: state.rules.map(({ family, fired }) => ({ family, fired })),
  };
  return findDifference(actual, expected, label);
}

/**
 * Reads how the tasks of requests in progress have ended: these end together with their responses, whose order the
 * schedule decides. Returns what is wrong with an end.
 */
export function adoptEndedStreams(
  rows: Rows,
  model: Model,
  account: ModelAccount,
  mayFail: boolean,
): string | undefined {
  const { key, state } = account;
  const running = state.tasks.filter((task) => task.isStream && isRunning(task));
  if (running.length === 0) return undefined;
  const id = findId(rows, key);
  const ended = rows.all(
    `SELECT seq, finished_at AS at, error_code AS errorCode, simulated_ms AS simulatedMs,
       (SELECT max(seq) FROM ledger_entries WHERE account_id = tasks.account_id AND task_seq = tasks.seq) AS entrySeq
     FROM tasks WHERE account_id = ? AND driver = 'stream' AND status <> 'processing' ORDER BY entrySeq, seq`,
    id,
  );
  // Without entries, the rows do not show which of several tasks ended first.
  if (ended.filter(({ entrySeq }) => entrySeq === null).length > 0 && running.length > 1) {
    model.eventsOf(key).areKnown = false;
  }
  for (const { seq, at, errorCode, simulatedMs } of ended) {
    const task = running.find((task) => task.seq === seq);
    if (!task) continue;
    if (errorCode !== null && !mayFail) return `${task.id} of ${key} failed with ${errorCode}`;
    if (at > model.now(account) || at < task.createdAt) return `${task.id} of ${key} ended at ${at}`;
    const emit = model.emit(key);
    applyUntil(state, at, emit);
    finish(state, task, errorCode, at, simulatedMs, emit);
  }
  return undefined;
}

/** Reads how the requests in progress of a process that has ended were resolved. Returns what is wrong with that. */
export function adoptInterruptedStreams(rows: Rows, model: Model, account: ModelAccount): string | undefined {
  const problem = adoptEndedStreams(rows, model, account, true);
  if (problem) return problem;
  const running = account.state.tasks.find((task) => task.isStream && isRunning(task));
  return running && `${running.id} of ${account.key} is running, but its request is gone`;
}

/**
 * Reads the window that a killed process had saved, which may be a second old, and may count any of `lost` requests that
 * took no effect otherwise. Returns what is wrong with it.
 */
export function adoptSavedWindow(rows: Rows, { key, state }: ModelAccount, lost: number): string | undefined {
  const [row] = rows.all(
    `SELECT started_at AS startedAt, count FROM rate_windows JOIN accounts ON accounts.id = account_id WHERE key = ?`,
    key,
  );
  const { window } = state;
  if (row && window && row.startedAt === window.startedAt && row.count > window.count + lost) {
    return `${key} has counted ${row.count} requests instead of ${window.count}`;
  }
  state.window = row ? { startedAt: row.startedAt, count: row.count } : null;
  return undefined;
}
