// When to kill the emulator: at a response, at a statement, or some time into the load.

export const RESET_ALL = 'a reset of all accounts';
const MAX_STATEMENTS = 3000;

const MAX_STATEMENTS_OF_RESET = 300;
/** Calls that write many rows. The process is killed during the n-th of them, n being at most this. */
const WRITE_HEAVY_CALLS = {
  ...{ reset: 3, restore: 12, snapshot: 15, fork: 5, remove: 3, create: 3, 'veo-3': 60, advance: 40 },
};
const MAX_STATEMENTS_OF_CALL = 10;

/** Responses (or heads of them) at which the server is killed: at the n-th of its kind, n being at most this. */
const RESPONSES = {
  ...{
    'sora-2': 60,
    'veo-3': 60,
    'nano-banana-2': 20,
    'sora-watermark': 15,
    poll: 150,
    credit: 60,
    advance: 40,
  },
  ...{ end: 40, read: 30, 'prompt-generator': 20, 'prompt-generator head': 20, 'reverse-prompt': 10 },
  ...{ snapshot: 20, restore: 15, reset: 5, remove: 4, create: 4, fork: 4, limit: 8, fault: 10, change: 10 },
};

/** Calls whose response waits for a commit that it may share with others: the n-th of a kind, n being at most this. */
const GROUP_COMMITTED_CALLS = { 'sora-2': 40, 'veo-3': 40, 'nano-banana-2': 15, 'prompt-generator': 15 };

/** Every five rounds use each of these once, in random order. */
const KILL_METHODS = [
  { commit: 1 },
  { call: 1 },
  { response: 1 },
  { time: 1, statement: 1 },
  { resetAll: 2, commit: 1, response: 1 },
];

/** Returns a function that draws how the next round ends. */
export function createPlans(random) {
  let left = [];
  return () => {
    if (left.length === 0) left = [...KILL_METHODS];
    const [methods] = left.splice(random.int(0, left.length - 1), 1);
    return drawPlan(random, random.weighted(methods));
  };
}

/** `killStartAfterMs`: also kill the next start, after this time. */
function drawPlan(random, method) {
  const killStartAfterMs = random.chance(0.3) ? random.int(80, 500) : undefined;
  switch (method) {
    case 'time':
      return { killStartAfterMs, afterMs: random.int(150, 2000) };
    case 'response': {
      const kind = random.pick(Object.keys(RESPONSES));
      return { killStartAfterMs, kind, nth: random.int(1, RESPONSES[kind]) };
    }
    case 'statement':
      return { killStartAfterMs, statement: random.int(1, MAX_STATEMENTS) };
    case 'commit': {
      const sent = random.pick(Object.keys(GROUP_COMMITTED_CALLS));
      return {
        killStartAfterMs,
        sent,
        nth: random.int(1, GROUP_COMMITTED_CALLS[sent]),
        commit: 1,
      };
    }
    case 'call': {
      const sent = random.pick(Object.keys(WRITE_HEAVY_CALLS));
      return {
        killStartAfterMs,
        sent,
        nth: random.int(1, WRITE_HEAVY_CALLS[sent]),
        statement: random.int(1, MAX_STATEMENTS_OF_CALL),
      };
    }
    default:
      return {
        killStartAfterMs,
        resetAllAfterMs: random.int(200, 500),
        ...random.pick([
          { kind: RESET_ALL, nth: 1 },
          { statement: random.int(1, MAX_STATEMENTS_OF_RESET) },
          { afterMs: random.int(0, 40) },
        ]),
      };
  }
}

export function describePlan(plan) {
  const { afterMs, kind, nth, sent, statement, commit, resetAllAfterMs, killStartAfterMs } = plan;
  const when = kind
    ? `at ${nth === 1 ? 'the first response' : `response ${nth}`} of kind ${kind}`
    : statement
      ? `at statement ${statement}${sent ? ` after call ${nth} of ${sent}` : ''}`
      : commit
        ? `at commit ${commit} after call ${nth} of ${sent}`
        : `after ${afterMs} ms`;
  const ofReset = resetAllAfterMs === undefined || kind ? '' : ` of ${RESET_ALL}`;
  const nextStart = killStartAfterMs === undefined ? '' : `, and the next start after ${killStartAfterMs} ms`;
  return `kill ${when}${ofReset}${nextStart}`;
}
