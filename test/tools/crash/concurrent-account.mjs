// An account that many clients use at once: the responses they received, and what must hold after the process is gone.
import { findMark } from './orders.mjs';

const FINAL_STATUSES = ['completed', 'failed'];

export function createConcurrentAccount({ key, mode, speed, credits, isPoor = false }) {
  return {
    ...{ key, mode, speed, credits, isPoor },
    /** `sent`, `done`, or `gone`: an auto-created account after a reset of all accounts. */
    created: 'sent',
    removed: 'no',
    /** Orders by mark. */
    orders: new Map(),
    /** Credits granted and taken, by reason. */
    grants: new Map(),
    /** Everything that any client has seen: statuses of tasks by id, ledger entries by number. */
    seenTasks: new Map(),
    seenEntries: new Map(),
    /** The latest time seen on a clock that only moves when advanced. */
    clockMs: 0,
  };
}

/** Called after a start: streams that the kill interrupted are refunded from now on. */
export function started({ orders }) {
  for (const order of orders.values()) {
    order.isRefunded ||= order.isInterrupted;
  }
}

/** Records the most advanced status that any client has seen of a task. */
export function recordTaskStatus(account, id, status) {
  if (!FINAL_STATUSES.includes(account.seenTasks.get(id))) account.seenTasks.set(id, status);
}

export function recordEntry(account, { id, kind, amount, balance, taskId, reason, at }) {
  account.seenEntries.set(Number(id), JSON.stringify([kind, amount, balance, taskId, reason, at]));
}

export function recordClock(account, timestamp) {
  account.clockMs = Math.max(account.clockMs, Date.parse(timestamp));
}

/**
 * Compares the responses with the rows. The rows decide, for good, whether each request in flight at the kill
 * took effect; `tally` counts both cases. Returns one sentence per problem.
 */
export function checkConcurrentAccount(account, rows, tally) {
  if (!rows) return account.created === 'done' && account.removed === 'no' ? ['is lost'] : resolveMissing(account);
  if (account.removed === 'done') return ['was removed but still exists'];
  account.removed = 'no';
  account.created = 'done';
  return [
    ...findOrderProblems(account, rows, tally),
    ...findGrantProblems(account, rows, tally),
    ...findSeenProblems(account, rows),
  ];
}

function resolveMissing(account) {
  if (account.created !== 'done') account.created = 'gone';
  else account.removed = 'done';
  return [];
}

function findOrderProblems(account, { tasks }, tally) {
  const problems = [];
  const byMark = new Map();
  for (const task of tasks) {
    const mark = findMark(task.input);
    if (!account.orders.has(mark)) problems.push(`task ${task.id} does not belong to any order that was sent`);
    byMark.set(mark, [...(byMark.get(mark) ?? []), task]);
  }
  for (const [mark, order] of account.orders) {
    const found = byMark.get(mark) ?? [];
    const report = (problem) => problems.push(`${order.family} ${mark} (${order.state}) ${problem}`);
    const min = order.state === 'refused' || order.state === 'sent' ? 0 : order.count;
    const max = order.state === 'refused' ? 0 : order.count;
    if (found.length !== min && found.length !== max)
      report(`has ${found.length} tasks instead of ${max}${min === 0 && max > 0 ? ' or none' : ''}`);
    if (order.state === 'sent') {
      order.state = found.length > 0 ? 'settled' : 'refused';
      tally[found.length > 0 ? 'inFlightDone' : 'inFlightNot'] += 1;
    }
    found.forEach((task, index) => {
      if (order.ids && order.ids[index] !== task.id) report(`was given task ${order.ids[index]}, not ${task.id}`);
      if (task.family !== order.family) report(`became a task of ${task.family}`);
      if (task.price !== order.price) report(`costs ${task.price}, not ${order.price}`);
      for (const problem of findStatusProblems(order, task)) report(problem);
    });
  }
  return problems;
}

function findStatusProblems(order, task) {
  const problems = [];
  const { status } = task;
  const wasComplete = order.state === 'done' && (order.isStream || order.isSynchronous);
  if (wasComplete && status !== (order.reportedFailure ? 'failed' : 'completed'))
    problems.push(`had a complete response but is ${status}`);
  if (order.isRefunded && status !== 'failed') problems.push(`was interrupted by the kill but is ${status}`);
  const mayFail = order.directive === 'fail' || order.failRequested || order.isInterrupted;
  if (status === 'failed' && !mayFail) problems.push(`failed with ${task.error_code} without a reason`);
  const mayComplete = order.directive !== 'fail' || order.completeRequested || order.state === 'left';
  if (status === 'completed' && !mayComplete) problems.push('should have failed but is completed');
  // No process is working on it anymore. The next start refunds it, unless that start is killed too.
  order.isInterrupted ||= task.driver === 'stream' && status === 'processing';
  return problems;
}

function findGrantProblems(account, { entries }, tally) {
  const problems = [];
  const found = new Map();
  let initial = 0;
  for (const { kind, amount, reason } of entries) {
    if (kind !== 'grant' && kind !== 'adjust') continue;
    if (reason === 'initial credits') {
      initial += amount;
      continue;
    }
    if (found.has(reason)) problems.push(`"${reason}" was booked twice`);
    if (account.grants.get(reason)?.amount !== amount) problems.push(`${amount} "${reason}" was never requested`);
    found.set(reason, amount);
  }
  if (initial !== account.credits) problems.push(`started with ${initial} credits, not ${account.credits}`);
  for (const [reason, grant] of account.grants) {
    const exists = found.has(reason);
    if (grant.state === 'done' && !exists) problems.push(`${grant.amount} "${reason}" was confirmed but is lost`);
    if (grant.state === 'refused' && exists) problems.push(`${grant.amount} "${reason}" was refused but is booked`);
    if (grant.state === 'sent') {
      grant.state = exists ? 'done' : 'refused';
      tally[exists ? 'inFlightDone' : 'inFlightNot'] += 1;
    }
  }
  return problems;
}

function findSeenProblems(account, { account: row, entries, tasks }) {
  const problems = [];
  const statusOf = new Map(tasks.map(({ id, status }) => [id, status]));
  for (const [id, status] of account.seenTasks) {
    const now = statusOf.get(id);
    if (now === undefined) problems.push(`task ${id} was seen but is lost`);
    else if (FINAL_STATUSES.includes(status) && now !== status)
      problems.push(`task ${id} was seen as ${status} but is ${now}`);
  }
  for (const [seq, seen] of account.seenEntries) {
    const entry = entries[seq - 1];
    const { kind, amount, balance, task_id: taskId, reason, at } = entry ?? {};
    const now = entry && JSON.stringify([kind, amount, balance, taskId, reason, new Date(at).toISOString()]);
    if (now !== seen) problems.push(`entry ${seq} was seen as ${seen} but is ${now}`);
  }
  if (account.mode !== 'real' && row.clock_ms < account.clockMs)
    problems.push(`its clock was seen at ${account.clockMs} but is at ${row.clock_ms}`);
  return problems;
}
