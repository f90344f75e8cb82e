// An account that many use at once: what they were told, and what of that must be true when the process is gone.
import { markIn } from './orders.mjs';

const END = ['completed', 'failed'];

export function createOpenAccount({ key, mode, speed, credits, isPoor = false }) {
  return {
    ...{ key, mode, speed, credits, isPoor },
    /** `sent`, `done`, or `gone` after a reset of everything for those that made themselves. */
    created: 'sent',
    removed: 'no',
    /** By mark. */
    orders: new Map(),
    /** By reason: credits given and taken. */
    grants: new Map(),
    /** Somebody was shown them: ends of tasks by id, entries by number. */
    shownTasks: new Map(),
    shownEntries: new Map(),
    /** What the clock was last seen to show, where it stands by itself. */
    clockMs: 0,
  };
}

/** A start has come to its end: what was cut is refunded from now on. */
export function started({ orders }) {
  for (const order of orders.values()) {
    order.isRefunded ||= order.isCut;
  }
}

/** Keeps the furthest that anybody saw of a task. */
export function showTask(account, id, status) {
  if (!END.includes(account.shownTasks.get(id))) account.shownTasks.set(id, status);
}

export function showEntry(account, { id, kind, amount, balance, taskId, reason, at }) {
  account.shownEntries.set(Number(id), JSON.stringify([kind, amount, balance, taskId, reason, at]));
}

export function showClock(account, moment) {
  account.clockMs = Math.max(account.clockMs, Date.parse(moment));
}

/**
 * Compares what was told with the rows; what was under way is settled by them, for good. `tally` counts that.
 * Answers sentences on what is wrong.
 */
export function checkOpenAccount(account, rows, tally) {
  if (!rows) return account.created === 'done' && account.removed === 'no' ? ['is lost'] : settleGone(account);
  if (account.removed === 'done') return ['was removed and is there'];
  account.removed = 'no';
  account.created = 'done';
  return [
    ...orderProblems(account, rows, tally),
    ...grantProblems(account, rows, tally),
    ...shownProblems(account, rows),
  ];
}

function settleGone(account) {
  if (account.created !== 'done') account.created = 'gone';
  else account.removed = 'done';
  return [];
}

function orderProblems(account, { tasks }, tally) {
  const problems = [];
  const byMark = new Map();
  for (const task of tasks) {
    const mark = markIn(task.input);
    if (!account.orders.has(mark)) problems.push(`task ${task.id} was ordered by nobody`);
    byMark.set(mark, [...(byMark.get(mark) ?? []), task]);
  }
  for (const [mark, order] of account.orders) {
    const found = byMark.get(mark) ?? [];
    const said = (what) => problems.push(`${order.family} ${mark} (${order.state}) ${what}`);
    const least = order.state === 'refused' || order.state === 'sent' ? 0 : order.count;
    const most = order.state === 'refused' ? 0 : order.count;
    if (found.length !== least && found.length !== most)
      said(`has ${found.length} tasks of ${most}${least === 0 ? ', or none' : ''}`);
    if (order.state === 'sent') {
      order.state = found.length > 0 ? 'settled' : 'refused';
      tally[found.length > 0 ? 'inFlightDone' : 'inFlightNot'] += 1;
    }
    found.forEach((task, index) => {
      if (order.ids && order.ids[index] !== task.id) said(`was told task ${order.ids[index]}, not ${task.id}`);
      if (task.family !== order.family) said(`became a task of ${task.family}`);
      if (task.price !== order.price) said(`costs ${task.price}, not ${order.price}`);
      for (const what of statusProblems(order, task)) said(what);
    });
  }
  return problems;
}

function statusProblems(order, task) {
  const problems = [];
  const { status } = task;
  const wasWhole = order.state === 'done' && (order.isStream || order.isInRequest);
  if (wasWhole && status !== (order.toldFailure ? 'failed' : 'completed'))
    problems.push(`was answered to its end and is ${status}`);
  if (order.isRefunded && status !== 'failed') problems.push(`was cut by the kill and is ${status}`);
  const mayFail = order.directive === 'fail' || order.failAsked || order.isCut;
  if (status === 'failed' && !mayFail) problems.push(`failed with ${task.error_code} for no reason`);
  const mayComplete = order.directive !== 'fail' || order.completeAsked || order.state === 'left';
  if (status === 'completed' && !mayComplete) problems.push('was to fail and is completed');
  // Nobody answers it any more; the next start refunds it, unless it is killed as well.
  order.isCut ||= task.driver === 'stream' && status === 'processing';
  return problems;
}

function grantProblems(account, { entries }, tally) {
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
    if (account.grants.get(reason)?.amount !== amount) problems.push(`${amount} "${reason}" was asked by nobody`);
    found.set(reason, amount);
  }
  if (initial !== account.credits) problems.push(`began with ${initial} credits, not ${account.credits}`);
  for (const [reason, grant] of account.grants) {
    const isThere = found.has(reason);
    if (grant.state === 'done' && !isThere) problems.push(`${grant.amount} "${reason}" were answered and are lost`);
    if (grant.state === 'refused' && isThere) problems.push(`${grant.amount} "${reason}" were refused and are there`);
    if (grant.state === 'sent') {
      grant.state = isThere ? 'done' : 'refused';
      tally[isThere ? 'inFlightDone' : 'inFlightNot'] += 1;
    }
  }
  return problems;
}

function shownProblems(account, { account: row, entries, tasks }) {
  const problems = [];
  const statusOf = new Map(tasks.map(({ id, status }) => [id, status]));
  for (const [id, status] of account.shownTasks) {
    const now = statusOf.get(id);
    if (now === undefined) problems.push(`task ${id} was shown and is lost`);
    else if (END.includes(status) && now !== status) problems.push(`task ${id} was shown ${status} and is ${now}`);
  }
  for (const [seq, shown] of account.shownEntries) {
    const entry = entries[seq - 1];
    const { kind, amount, balance, task_id: taskId, reason, at } = entry ?? {};
    const now = entry && JSON.stringify([kind, amount, balance, taskId, reason, new Date(at).toISOString()]);
    if (now !== shown) problems.push(`entry ${seq} was shown as ${shown} and is ${now}`);
  }
  if (account.mode !== 'real' && row.clock_ms < account.clockMs)
    problems.push(`its clock was seen at ${account.clockMs} and stands at ${row.clock_ms}`);
  return problems;
}
