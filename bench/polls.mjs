// Polls at a fixed rate, in its own process: each poll is sent on time, however late the responses to earlier ones are.
import { Agent, request } from 'node:http';
import { createHistogram } from 'node:perf_hooks';

const MAX_CONNECTIONS = 64;
const TIMEOUT_MS = 5000;

let stop;
process.on('message', async (message) => {
  try {
    if (message === 'stop') process.send({ result: await stop() });
    else stop = start(message);
  } catch (error) {
    process.send({ error: String(error?.message ?? error) });
  }
});
// The parent process has ended, for whatever reason.
process.on('disconnect', () => process.exit());

function start({ url, headers, body, expected, perSecond }) {
  if (new URL(url).hostname !== '127.0.0.1') throw new Error('polls only target loopback');
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS });
  const micros = createHistogram();
  const open = new Set();
  const startedMs = performance.now();
  let sent = 0;
  let wrong;

  async function poll() {
    const sentAt = performance.now();
    try {
      const text = await fetchText(url, { method: 'POST', headers, agent, timeout: TIMEOUT_MS }, body);
      micros.record(Math.max(1, Math.round((performance.now() - sentAt) * 1000)));
      const { status } = JSON.parse(text);
      if (status !== expected) throw new Error(`a poll returned status ${status} instead of ${expected}`);
    } catch (error) {
      wrong ??= error;
    }
  }

  const timer = setInterval(() => {
    for (const due = ((performance.now() - startedMs) * perSecond) / 1000; sent < due; sent++) {
      const pending = poll().finally(() => open.delete(pending));
      open.add(pending);
    }
  }, 1000 / perSecond);

  return async function stop() {
    clearInterval(timer);
    const seconds = (performance.now() - startedMs) / 1000;
    await Promise.all(open);
    agent.destroy();
    if (wrong) throw wrong;
    return {
      polls: sent,
      perSecond: Math.round(sent / seconds),
      p50Ms: micros.percentile(50) / 1000,
      p99Ms: micros.percentile(99) / 1000,
      maxMs: micros.max / 1000,
    };
  };
}

/** The body of a 200 response. @throws Error for another status */
function fetchText(url, options, body) {
  return new Promise((resolve, reject) => {
    const call = request(url, options, async (response) => {
      try {
        let text = '';
        for await (const chunk of response) text += chunk;
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`a poll returned ${response.statusCode}`));
      } catch (error) {
        reject(error);
      }
    });
    call.on('timeout', () => call.destroy(new Error('a poll timed out')));
    call.on('error', reject);
    call.end(body);
  });
}
