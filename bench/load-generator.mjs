// The load tool, in a process of its own: it needs most of a core, and would slow down whatever shared its event loop.
import { createHistogram } from 'node:perf_hooks';
import autocannon from 'autocannon';

// One process fires all windows, so that after the warm-up no window meets a cold load tool.
process.on('message', async (window) => {
  try {
    process.send({ result: await fire(window) });
  } catch (error) {
    process.send({ error: String(error?.message ?? error) });
  }
});
// Whoever asked is gone, however it ended.
process.on('disconnect', () => process.exit());

/** Of so many answers one is read; the first of a window all are. */
const READ_ONE_IN = 50;
const READ_AT_FIRST = 200;
const TASK_ID = /"taskId":"([^"]+)"/;
/** So many of the tasks are told, the last. */
const TOLD = 20;

/**
 * `length`: what each body must have, where they are files; `expected`: what fields must say, where they are JSON; `areNew`:
 * no two may tell of the same task.
 */
async function fire({ seconds, length, expected, areNew, ...target }) {
  if (new URL(target.url).hostname !== '127.0.0.1') throw new Error('the load tool fires at loopback only');
  const cpuBefore = process.cpuUsage();
  // autocannon counts latencies in whole milliseconds; what is compared here differs by less.
  const micros = createHistogram();
  let wrongLength = 0;
  let lost = 0;
  let answers = 0;
  let read = 0;
  const wrong = [];
  const taskIds = new Set();
  const verifyBody = (body) => {
    answers += 1;
    if (areNew) taskIds.add(TASK_ID.exec(body)?.[1]);
    if (answers > READ_AT_FIRST && answers % READ_ONE_IN > 0) return true;
    read += 1;
    if (!says(body, expected)) wrong.push(body);
    return true;
  };
  const instance = autocannon({
    ...target,
    duration: seconds,
    // A window ends with a sample, and samples are a second apart unless told otherwise.
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
    ...(areNew && { told: [...taskIds].slice(-TOLD), notNew: answers - taskIds.size }),
    read,
    wrongBodies: wrong.length,
    wrongBody: wrong[0]?.slice(0, 200),
    loadToolBusy: Math.round((user + system) / (result.duration * 1e4)) / 100,
  };
}

/** '*' stands for any text, a list for any of its values. */
function says(body, expected) {
  try {
    const answer = JSON.parse(body);
    return Object.entries(expected).every(([field, value]) => {
      const told = answer[field];
      if (value === '*') return typeof told === 'string' && told !== '';
      return Array.isArray(value) ? value.includes(told) : told === value;
    });
  } catch {
    return false;
  }
}

/** The server ended the connection, perhaps in the middle of an answer: autocannon goes on as if nothing were lost. */
function onReconnect(client, tell) {
  const connect = client._connect;
  let connections = 0;
  client._connect = () => {
    connections += 1;
    if (connections > 1) tell();
    connect.call(client);
  };
}

/** autocannon makes a text of every body, which takes longer than all else when it is a video; here it is counted only. */
function onWrongLength(client, length, tell) {
  let received = 0;
  client.pipelinedRequests.addBody = (chunk) => {
    received += chunk.length;
  };
  client.on('response', () => {
    if (received !== length) tell();
    received = 0;
  });
}
