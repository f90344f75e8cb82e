// The load tool, in its own process: it needs most of a core and would slow down anything that shares its event loop.
// One process generates the load of all windows, so that after the warm-up no window runs on a cold load tool.
import { createHistogram } from 'node:perf_hooks';
import autocannon from 'autocannon';
import { createChecker, serve, toLatencies } from './responses.mjs';

serve(fire);

/**
 * Sends as many requests as the connections can within `seconds`, or `amount` in total. `length`: the expected length
 * of each body, for files. `expected`: the expected values of fields, for JSON. `mustBeNew`: see `createChecker`.
 */
async function fire({ seconds, length, expected, mustBeNew, ...target }) {
  if (new URL(target.url).hostname !== '127.0.0.1') throw new Error('the load tool only targets loopback');
  const cpuBefore = process.cpuUsage();
  // autocannon counts latencies in whole milliseconds, which is too coarse for this comparison.
  const micros = createHistogram();
  let wrongLength = 0;
  let lost = 0;
  const checker = createChecker({ expected, mustBeNew });
  const verifyBody = (body) => {
    checker.check(body);
    return true;
  };
  const instance = autocannon({
    ...target,
    ...(seconds && { duration: seconds }),
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
    ...toLatencies(micros),
    non2xx: result.non2xx,
    errors: Math.max(result.errors, lost),
    wrongLength,
    ...checker.result(),
    loadToolBusy: Math.round((user + system) / (result.duration * 1e4)) / 100,
  };
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
