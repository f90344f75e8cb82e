// When the emulator is killed: at an answer, at a statement, some time into the load.

export const RESET_ALL = 'a reset of everything';
const MOST_STATEMENTS = 3000;

const MOST_STATEMENTS_OF_RESET = 300;
/** Calls that write much: in which of them the process can be killed, and how soon after one is sent. */
const OF_MANY_STATEMENTS = {
  ...{ reset: 3, restore: 12, snapshot: 15, fork: 5, remove: 3, create: 3, 'veo-3': 60, advance: 40 },
};
const MOST_STATEMENTS_OF_CALL = 10;

/** At which answer, or beginning of one, the server can be killed, and which of them it can be. */
const ANSWERS = {
  ...{
    'sora-2': 60,
    'veo-3': 60,
    'nano-banana-2': 20,
    'sora-watermark': 15,
    poll: 150,
    credit: 60,
    advance: 40,
  },
  ...{ end: 40, look: 30, 'prompt-generator': 20, 'prompt-generator head': 20, 'reverse-prompt': 10 },
  ...{ snapshot: 20, restore: 15, reset: 5, remove: 4, create: 4, fork: 4, limit: 8, fault: 10, change: 10 },
};

/** Whose answers wait for a commit that others may share. */
const ORDERED = { 'sora-2': 40, 'veo-3': 40, 'nano-banana-2': 15, 'prompt-generator': 15 };

/** Every five rounds have one of each, in any order. */
const WAYS = [
  { commit: 1 },
  { call: 1 },
  { answer: 1 },
  { time: 1, statement: 1 },
  { resetAll: 2, commit: 1, answer: 1 },
];

/** Answers a function that draws how the next round ends. */
export function createPlans(random) {
  let left = [];
  return () => {
    if (left.length === 0) left = [...WAYS];
    const [ways] = left.splice(random.int(0, left.length - 1), 1);
    return drawPlan(random, random.weighted(ways));
  };
}

/** When the process is killed: so many milliseconds, answers of a kind or statements after the load has begun. */
function drawPlan(random, how) {
  const killStartAfterMs = random.chance(0.3) ? random.int(80, 500) : undefined;
  switch (how) {
    case 'time':
      return { killStartAfterMs, afterMs: random.int(150, 2000) };
    case 'answer': {
      const kind = random.pick(Object.keys(ANSWERS));
      return { killStartAfterMs, kind, nth: random.int(1, ANSWERS[kind]) };
    }
    case 'statement':
      return { killStartAfterMs, statement: random.int(1, MOST_STATEMENTS) };
    case 'commit': {
      const sent = random.pick(Object.keys(ORDERED));
      return {
        killStartAfterMs,
        sent,
        nth: random.int(1, ORDERED[sent]),
        commit: 1,
      };
    }
    case 'call': {
      const sent = random.pick(Object.keys(OF_MANY_STATEMENTS));
      return {
        killStartAfterMs,
        sent,
        nth: random.int(1, OF_MANY_STATEMENTS[sent]),
        statement: random.int(1, MOST_STATEMENTS_OF_CALL),
      };
    }
    default:
      return {
        killStartAfterMs,
        resetAllAfterMs: random.int(200, 500),
        ...random.pick([
          { kind: RESET_ALL, nth: 1 },
          { statement: random.int(1, MOST_STATEMENTS_OF_RESET) },
          { afterMs: random.int(0, 40) },
        ]),
      };
  }
}

export function told({ afterMs, kind, nth, sent, statement, commit, resetAllAfterMs, killStartAfterMs }) {
  const when = kind
    ? `at ${nth === 1 ? 'the first answer' : `answer ${nth}`} of ${kind}`
    : statement
      ? `at statement ${statement}${sent ? ` after call ${nth} of ${sent}` : ''}`
      : commit
        ? `at commit ${commit} after call ${nth} of ${sent}`
        : `after ${afterMs} ms`;
  const ofReset = resetAllAfterMs === undefined || kind ? '' : ' of a reset of everything';
  return `kill ${when}${ofReset}${killStartAfterMs === undefined ? '' : `, and ${killStartAfterMs} ms after the next start`}`;
}
