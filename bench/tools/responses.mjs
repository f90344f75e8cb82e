// Checks the responses of a window, for the load tools.

/** All of the first responses of a window are checked, then one in this many. */
const CHECK_ONE_IN = 50;
const CHECK_FIRST = 200;
const TASK_ID = /"taskId":"([^"]+)"/;
/** Number of the last task ids to return, for a check that the tasks exist. */
const TASK_IDS_RETURNED = 20;

/** `expected`: the expected values of fields. `mustBeNew`: each response must have a different task id. */
export function createChecker({ expected, mustBeNew }) {
  let responses = 0;
  let read = 0;
  const wrong = [];
  const taskIds = new Set();
  return {
    check(body) {
      responses += 1;
      if (mustBeNew) taskIds.add(TASK_ID.exec(body)?.[1]);
      if (responses > CHECK_FIRST && responses % CHECK_ONE_IN > 0) return;
      read += 1;
      if (!matches(body, expected)) wrong.push(body);
    },
    result: () => ({
      ...(mustBeNew && { taskIds: [...taskIds].slice(-TASK_IDS_RETURNED), notNew: responses - taskIds.size }),
      read,
      wrongBodies: wrong.length,
      wrongBody: wrong[0]?.slice(0, 200),
    }),
  };
}

/** In `expected`, '*' matches any non-empty string, and a list matches any of its values. */
function matches(body, expected) {
  try {
    const response = JSON.parse(body);
    return Object.entries(expected).every(([field, value]) => {
      const actual = response[field];
      if (value === '*') return typeof actual === 'string' && actual !== '';
      return Array.isArray(value) ? value.includes(actual) : actual === value;
    });
  } catch {
    return false;
  }
}

/** The latencies in `micros`, a histogram of microseconds. */
export const toLatencies = (micros) => ({
  p50Ms: micros.percentile(50) / 1000,
  p95Ms: micros.percentile(95) / 1000,
  p99Ms: micros.percentile(99) / 1000,
  maxMs: micros.max / 1000,
});

/** Replies to each message with the result of `work`, or its error. Ends with the parent process. */
export function serve(work) {
  process.on('message', async (message) => {
    try {
      const result = await work(message);
      if (result !== undefined) process.send({ result });
    } catch (error) {
      process.send({ error: String(error?.message ?? error) });
    }
  });
  process.on('disconnect', () => process.exit());
}
