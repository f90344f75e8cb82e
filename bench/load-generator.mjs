// The load tool, in its own process: it needs most of a core and would slow down anything that shares its event loop.
import { createHistogram } from 'node:perf_hooks';
import autocannon from 'autocannon';

// One process generates the load of all windows, so that after the warm-up no window runs on a cold load tool.
process.on('message', async (window) => {
  try {
    process.send({ result: await fire(window) });
  } catch (error) {
    process.send({ error: String(error?.message ?? error) });
  }
});
// The parent process has ended, for whatever reason.
process.on('disconnect', () => process.exit());

/** All of the first responses of a window are checked, then one in this many. */
const CHECK_ONE_IN = 50;
const CHECK_FIRST = 200;
const TASK_ID = /"taskId":"([^"]+)"/;
/** Number of the last task ids to return, for a check that the tasks exist. */
const TASK_IDS_RETURNED = 20;

/**
 * `length`: the expected length of each body, for files. `expected`: the expected values of fields, for JSON.
 * `mustBeNew`: each response must have a different task id.
 */
async function fire({ seconds, length, expected, mustBeNew, ...target }) {
  if (new URL(target.url).hostname !== '127.0.0.1') throw new Error('the load tool only targets loopback');
  const cpuBefore = process.cpuUsage();
  // autocannon counts latencies in whole milliseconds, which is too coarse for this comparison.
  const micros = createHistogram();
  let wrongLength = 0;
  let lost = 0;
  let responses = 0;
  let read = 0;
  const wrong = [];
  const taskIds = new Set();
  const verifyBody = (body) => {
    responses += 1;
    if (mustBeNew) taskIds.add(TASK_ID.exec(body)?.[1]);
    if (responses > CHECK_FIRST && responses % CHECK_ONE_IN > 0) return true;
    read += 1;
    if (!matches(body, expected)) wrong.push(body);
    return true;
  };
  const instance = autocannon({
    ...target,
    duration: seconds,
    // A window ends with a sample; by default, samples are a second apart.
    sampleInt: 100,
    timeout: 5,
    ...(expected && { verifyBody }),
    setupClient: (client) => {
      onReconnect(client, () => lost++);
      if (length) onWrongLength(client, length, () => wrongLength++);
    },
  });
  instance.on('response', (_client, _status, _bytes, ms) => micros.record(Math.max(1, Math.round(ms * 1000))));
  const result = await instance;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    requests: result.requests.total,
    seconds: result.duration,
    perSecond: Math.round(result.requests.total / result.duration),
    p50Ms: micros.percentile(50) / 1000,
    p99Ms: micros.percentile(99) / 1000,
    maxMs: micros.max / 1000,
    non2xx: result.non2xx,
    errors: Math.max(result.errors, lost),
    wrongLength,
    ...(mustBeNew && { taskIds: [...taskIds].slice(-TASK_IDS_RETURNED), notNew: responses - taskIds.size }),
    read,
    wrongBodies: wrong.length,
    wrongBody: wrong[0]?.slice(0, 200),
    loadToolBusy: Math.round((user + system) / (result.duration * 1e4)) / 100,
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

/** Counts connections that the server ended, perhaps within a response: autocannon itself ignores them. */
function onReconnect(client, callback) {
  const connect = client._connect;
  let connections = 0;
  client._connect = () => {
    connections += 1;
    if (connections > 1) callback();
    connect.call(client);
  };
}

/** Only counts the bytes of a body: autocannon decodes it to a string, which for a video takes longer than all else. */
function onWrongLength(client, length, callback) {
  let received = 0;
  client.pipelinedRequests.addBody = (chunk) => {
    received += chunk.length;
  };
  client.on('response', () => {
    if (received !== length) callback();
    received = 0;
  });
}
