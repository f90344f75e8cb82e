// An account that one client uses, one call after the other: it knows exactly what must be there, but for the one call that
// was under way at the kill, which has happened wholly or not at all.

const clone = (state) => structuredClone(state);

const taskOf = (state, id) => state.tasks.find((task) => task.id === id);

/** The same rule is the same text. */
const canonical = (rule) =>
  rule === undefined
    ? undefined
    : JSON.stringify(JSON.parse(rule), (_name, value) =>
        typeof value === 'object' && value !== null
          ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
          : value,
      );

/** As the control plane makes it. `now` in milliseconds: its clock stands still. */
export function freshState({ credits, now, seed, speed }) {
  return {
    ...{ credits, now, seed, speed, limit: null, revoked: false },
    entries: credits > 0 ? [{ kind: 'grant', amount: credits, taskId: null, reason: 'initial credits' }] : [],
    tasks: [],
    faults: [],
    snapshots: {},
    /** What the limiter was told to have counted; undefined once a request may have changed it. */
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

/** What a call does to the state; `answer` undefined: what only the answer tells is left open. */
export const EFFECTS = {
  order(state, { family, price, count, isStream, completes }, answer) {
    state.counted = undefined;
    const ids = answer?.ids ?? Array.from({ length: count }, () => null);
    for (const id of ids) hold(state, { id, family, price });
    if (isStream && completes) finish(state, state.tasks.at(-1), 'completed');
  },
  /** A rule struck: nothing was charged, the rule has counted. */
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
  advance(state, { ms }, answer) {
    state.counted = undefined;
    state.now = answer ? Date.parse(answer.now) : state.now + ms;
    // What falls due on the way is not known without an answer.
    if (!answer) state.isPlayed = true;
    for (const { taskId, to } of answer?.transitions ?? [])
      if (to === 'completed' || to === 'failed') finish(state, taskOf(state, taskId), to, 'GENERATION_FAILED');
  },
  end: (state, { id, how }) =>
    finish(state, taskOf(state, id), how === 'complete' ? 'completed' : 'failed', 'GENERATION_FAILED'),
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
  /** The same where everything is reset. */
  reset(state, { made }) {
    const keys = Object.keys(state);
    for (const name of keys) delete state[name];
    Object.assign(state, freshState(made));
  },
};

export function applied(state, call, answer) {
  const after = clone(state);
  EFFECTS[call.name](after, call, answer);
  return after;
}

/** Sentences on where the rows are not the state. A task of the state without an id may have any. */
export function differences(state, { account, entries, tasks, faults, snapshots, counted = 0 }) {
  const problems = [];
  const same = (what, wanted, found) => {
    if (wanted !== found) problems.push(`${what} should be ${wanted} and is ${found}`);
  };
  same('the clock', state.now, account.clock_ms);
  same('the seed', state.seed, account.seed);
  same('the speed', state.speed, account.speed);
  same('the limit', state.limit, account.rate_limit);
  // A request that was on its way may have been counted.
  if (counted < state.counted) problems.push(`the limiter has counted ${counted}, not ${state.counted}`);
  same('revoked', Number(state.revoked), account.revoked);
  if (state.isPlayed) {
    if (entries.length < state.entries.length) problems.push('entries are missing');
  } else {
    same('the balance', state.credits, account.balance);
    same('the number of entries', state.entries.length, entries.length);
  }
  same('the number of tasks', state.tasks.length, tasks.length);
  same('the number of rules', state.faults.length, faults.length);
  state.entries.forEach((wanted, index) => {
    const { kind, amount, task_id: id, reason } = entries[index] ?? {};
    same(`the kind of entry ${index + 1}`, wanted.kind, kind);
    same(`the amount of entry ${index + 1}`, wanted.amount, amount);
    same(`the reason of entry ${index + 1}`, wanted.reason, reason ?? null);
    // What was ordered without an answer has a task that nobody knows.
    if (wanted.taskId !== null || kind === 'grant' || kind === 'adjust')
      same(`the task of entry ${index + 1}`, wanted.taskId, id ?? null);
  });
  state.tasks.forEach((wanted, index) => {
    const { id, family, price, status } = tasks[index] ?? {};
    if (wanted.id !== null) same(`task ${index + 1}`, wanted.id, id);
    same(`the family of task ${index + 1}`, wanted.family, family);
    same(`the price of task ${index + 1}`, wanted.price, price);
    if (!(state.isPlayed && wanted.status === 'processing'))
      same(`the status of task ${index + 1}`, wanted.status, status);
  });
  state.faults.forEach((wanted, index) => {
    const { rule, matched, fired } = faults[index] ?? {};
    same(`rule ${index + 1}`, canonical(wanted.rule), canonical(rule));
    same(`rule ${index + 1} matched`, wanted.matched, matched);
    same(`rule ${index + 1} fired`, wanted.fired, fired);
  });
  if (state.snapshots) {
    same('the snapshots', Object.keys(state.snapshots).sort().join(), [...snapshots.keys()].sort().join());
    for (const [name, kept] of Object.entries(state.snapshots)) {
      const rows = snapshots.get(name);
      if (!rows) continue;
      same(`the time of snapshot ${name}`, kept.now, rows.account.snapshot_at);
      for (const problem of differences(kept, rows)) problems.push(`in snapshot ${name}, ${problem}`);
    }
  }
  return problems;
}

const STREAMS = ['prompt-generator', 'reverse-prompt'];

/** What was cut is refunded by the next start. */
export function afterStart(state) {
  const after = clone(state);
  for (const task of after?.tasks ?? []) {
    if (STREAMS.includes(task.family) && task.status === 'processing') finish(after, task, 'failed', 'INTERNAL_ERROR');
  }
  return after;
}

/** The state that the rows show, to go on from when the kill is over. */
export function stateIn({ account, entries, tasks, faults, snapshots }) {
  const state = {
    ...{ credits: account.balance, now: account.clock_ms, seed: account.seed, speed: account.speed },
    ...{ limit: account.rate_limit, revoked: account.revoked === 1 },
    entries: entries.map(({ kind, amount, task_id: taskId, reason }) => ({ kind, amount, taskId, reason })),
    tasks: tasks.map(({ id, family, price, status }) => ({ id, family, price, status })),
    faults: faults.map(({ rule, matched, fired }) => ({ rule, matched, fired })),
    snapshots: {},
  };
  for (const [name, rows] of snapshots) {
    const { snapshots: _none, ...kept } = stateIn(rows);
    state.snapshots[name] = kept;
  }
  return state;
}

/** Settles the call that was under way. Answers sentences on what is wrong with an account and those forked from it. */
export function checkExactAccount(exact, rows, tally) {
  const { state, pending } = exact;
  const options = [{ state }];
  if (pending?.after) for (const after of pending.after) options.push({ state: after, isDone: true });
  // The start after the kill may have been killed as well, before or after it refunded what was cut.
  options.push({ state: afterStart(state) });
  const problems = options.map(({ state: wanted }) =>
    wanted === null || !rows
      ? wanted === null && !rows
        ? []
        : [rows ? 'should not be there' : 'is lost']
      : differences(wanted, rows),
  );
  const found = problems.findIndex((list) => list.length === 0);
  exact.pending = undefined;
  exact.state = rows ? stateIn(rows) : null;
  if (found === -1) {
    const about = pending ? ` (under way: ${pending.name})` : '';
    return problems[0].slice(0, 4).map((problem) => `${problem}${about}`);
  }
  if (pending) tally[options[found].isDone ? 'inFlightDone' : 'inFlightNot'] += 1;
  return [];
}
