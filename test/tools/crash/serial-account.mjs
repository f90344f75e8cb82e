// An account with one client that sends one request at a time. Its exact state is known, except for the one request in
// flight at the kill, which must have taken effect completely or not at all.

const clone = (state) => structuredClone(state);

const findTask = (state, id) => state.tasks.find((task) => task.id === id);

/** A canonicalize form of a fault rule's JSON: equal rules give equal texts. */
const canonicalize = (rule) =>
  rule === undefined
    ? undefined
    : JSON.stringify(JSON.parse(rule), (_name, value) =>
        typeof value === 'object' && value !== null
          ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
          : value,
      );

/** The state after the control plane creates the account. `now` in milliseconds: the clock is frozen. */
export function initialState({ credits, now, seed, speed }) {
  return {
    ...{ credits, now, seed, speed, limit: null, revoked: false },
    entries: credits > 0 ? [{ kind: 'grant', amount: credits, taskId: null, reason: 'initial credits' }] : [],
    tasks: [],
    faults: [],
    snapshots: {},
    /** The request count that the rate limiter was set to; undefined once a request may have changed it. */
    counted: undefined,
  };
}

const hold = (state, task) => {
  state.credits -= task.price;
  state.tasks.push({ ...task, status: 'processing' });
  if (task.price > 0) state.entries.push({ kind: 'hold', amount: -task.price, taskId: task.id, reason: null });
};

const finish = (state, task, status, reason) => {
  task.status = status;
  if (task.price === 0) return;
  const isRefund = status === 'failed';
  state.credits += isRefund ? task.price : 0;
  state.entries.push({
    kind: isRefund ? 'refund' : 'capture',
    amount: isRefund ? task.price : 0,
    taskId: task.id,
    reason: isRefund ? reason : null,
  });
};

/** The effect of each call on the state. With `response` undefined, values that only the response has stay unknown. */
export const EFFECTS = {
  order(state, { family, price, count, isStream, completes }, response) {
    state.counted = undefined;
    const ids = response?.ids ?? Array.from({ length: count }, () => null);
    for (const id of ids) hold(state, { id, family, price });
    if (isStream && completes) finish(state, state.tasks.at(-1), 'completed');
  },
  /** A fault rule fired: nothing was charged, and the rule counted the match. */
  refusal(state, { rule }) {
    state.counted = undefined;
    const fault = state.faults[rule];
    fault.matched += 1;
    fault.fired += 1;
  },
  credit(state, { amount, reason }) {
    state.credits += amount;
    state.entries.push({ kind: amount > 0 ? 'grant' : 'adjust', amount, taskId: null, reason });
  },
  limit(state, { limit, counted }) {
    Object.assign(state, { limit, counted });
  },
  advance(state, { ms }, response) {
    state.counted = undefined;
    state.now = response ? Date.parse(response.now) : state.now + ms;
    // Without a response, the transitions that came due are unknown.
    if (!response) state.hasUnknownTransitions = true;
    for (const { taskId, to } of response?.transitions ?? [])
      if (to === 'completed' || to === 'failed') finish(state, findTask(state, taskId), to, 'GENERATION_FAILED');
  },
  end: (state, { id, how }) =>
    finish(state, findTask(state, id), how === 'complete' ? 'completed' : 'failed', 'GENERATION_FAILED'),
  change: (state, { settings }) => Object.assign(state, settings),
  addFault: (state, { rule }) => state.faults.push({ rule, matched: 0, fired: 0 }),
  clearFaults(state) {
    state.faults = [];
  },
  snapshot(state, { as }) {
    const { snapshots, ...kept } = clone(state);
    state.snapshots = { ...snapshots, [as]: kept };
  },
  restore(state, { as }) {
    Object.assign(state, { counted: undefined }, clone(state.snapshots[as]));
  },
  /** Also used for a reset of all accounts. */
  reset(state, { profile }) {
    const keys = Object.keys(state);
    for (const name of keys) delete state[name];
    Object.assign(state, initialState(profile));
  },
};

export function applyCall(state, call, response) {
  const after = clone(state);
  EFFECTS[call.name](after, call, response);
  return after;
}

/** One sentence per difference between the rows and the state. A task without an id in the state matches any id. */
export function findDifferences(state, { account, entries, tasks, faults, snapshots, counted = 0 }) {
  const problems = [];
  const expectEqual = (what, expected, found) => {
    if (expected !== found) problems.push(`${what} should be ${expected} but is ${found}`);
  };
  expectEqual('the clock', state.now, account.clock_ms);
  expectEqual('the seed', state.seed, account.seed);
  expectEqual('the speed', state.speed, account.speed);
  expectEqual('the limit', state.limit, account.rate_limit);
  // A request in flight may have been counted.
  if (counted < state.counted) problems.push(`the rate limiter has counted ${counted}, not ${state.counted}`);
  expectEqual('revoked', Number(state.revoked), account.revoked);
  if (state.hasUnknownTransitions) {
    if (entries.length < state.entries.length) problems.push('entries are missing');
  } else {
    expectEqual('the balance', state.credits, account.balance);
    expectEqual('the number of entries', state.entries.length, entries.length);
  }
  expectEqual('the number of tasks', state.tasks.length, tasks.length);
  expectEqual('the number of rules', state.faults.length, faults.length);
  state.entries.forEach((expected, index) => {
    const { kind, amount, task_id: id, reason } = entries[index] ?? {};
    expectEqual(`the kind of entry ${index + 1}`, expected.kind, kind);
    expectEqual(`the amount of entry ${index + 1}`, expected.amount, amount);
    expectEqual(`the reason of entry ${index + 1}`, expected.reason, reason ?? null);
    // A task whose order got no response has an id that the client does not know.
    if (expected.taskId !== null || kind === 'grant' || kind === 'adjust')
      expectEqual(`the task of entry ${index + 1}`, expected.taskId, id ?? null);
  });
  state.tasks.forEach((expected, index) => {
    const { id, family, price, status } = tasks[index] ?? {};
    if (expected.id !== null) expectEqual(`task ${index + 1}`, expected.id, id);
    expectEqual(`the family of task ${index + 1}`, expected.family, family);
    expectEqual(`the price of task ${index + 1}`, expected.price, price);
    if (!(state.hasUnknownTransitions && expected.status === 'processing'))
      expectEqual(`the status of task ${index + 1}`, expected.status, status);
  });
  state.faults.forEach((expected, index) => {
    const { rule, matched, fired } = faults[index] ?? {};
    expectEqual(`rule ${index + 1}`, canonicalize(expected.rule), canonicalize(rule));
    expectEqual(`rule ${index + 1} matched`, expected.matched, matched);
    expectEqual(`rule ${index + 1} fired`, expected.fired, fired);
  });
  if (state.snapshots) {
    expectEqual('the snapshots', Object.keys(state.snapshots).sort().join(), [...snapshots.keys()].sort().join());
    for (const [name, kept] of Object.entries(state.snapshots)) {
      const rows = snapshots.get(name);
      if (!rows) continue;
      expectEqual(`the time of snapshot ${name}`, kept.now, rows.account.snapshot_at);
      for (const problem of findDifferences(kept, rows)) problems.push(`in snapshot ${name}, ${problem}`);
    }
  }
  return problems;
}

const STREAMS = ['prompt-generator', 'reverse-prompt'];

/** The state after a start, which refunds interrupted streams. */
export function afterStart(state) {
  const after = clone(state);
  for (const task of after?.tasks ?? []) {
    if (STREAMS.includes(task.family) && task.status === 'processing') finish(after, task, 'failed', 'INTERNAL_ERROR');
  }
  return after;
}

/** The state that the rows show; the next calls continue from it. */
export function stateFromRows({ account, entries, tasks, faults, snapshots }) {
  const state = {
    ...{ credits: account.balance, now: account.clock_ms, seed: account.seed, speed: account.speed },
    ...{ limit: account.rate_limit, revoked: account.revoked === 1 },
    entries: entries.map(({ kind, amount, task_id: taskId, reason }) => ({ kind, amount, taskId, reason })),
    tasks: tasks.map(({ id, family, price, status }) => ({ id, family, price, status })),
    faults: faults.map(({ rule, matched, fired }) => ({ rule, matched, fired })),
    snapshots: {},
  };
  for (const [name, rows] of snapshots) {
    const { snapshots: _none, ...kept } = stateFromRows(rows);
    state.snapshots[name] = kept;
  }
  return state;
}

/** Decides whether the request in flight took effect. Returns one sentence per problem. */
export function checkSerialAccount(serial, rows, tally) {
  const { state, pending } = serial;
  const options = [{ state }];
  if (pending?.after) for (const after of pending.after) options.push({ state: after, isDone: true });
  // The start after the kill may have been killed too, before or after it refunded interrupted streams.
  options.push({ state: afterStart(state) });
  const problems = options.map(({ state: expected }) =>
    expected === null || !rows
      ? expected === null && !rows
        ? []
        : [rows ? 'should not exist' : 'is lost']
      : findDifferences(expected, rows),
  );
  const found = problems.findIndex((list) => list.length === 0);
  serial.pending = undefined;
  serial.state = rows ? stateFromRows(rows) : null;
  if (found === -1) {
    const about = pending ? ` (in flight: ${pending.name})` : '';
    return problems[0].slice(0, 4).map((problem) => `${problem}${about}`);
  }
  if (pending) tally[options[found].isDone ? 'inFlightDone' : 'inFlightNot'] += 1;
  return [];
}
