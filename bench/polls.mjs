// Polls at a steady rate, in a process of its own: a poll is sent when its time has come, however late the answers to
// those before it are.
import { Agent, request } from 'node:http';
import { createHistogram } from 'node:perf_hooks';

const MOST_CONNECTIONS = 64;
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
// Whoever asked is gone, however it ended.
process.on('disconnect', () => process.exit());

function start({ url, headers, body, expected, perSecond }) {
  if (new URL(url).hostname !== '127.0.0.1') throw new Error('polls go to loopback only');
  const agent = new Agent({ keepAlive: true, maxSockets: MOST_CONNECTIONS });
  const micros = createHistogram();
  const open = new Set();
  const begin = performance.now();
  let sent = 0;
  let wrong;

  async function poll() {
    const sentAt = performance.now();
    try {
      const text = await answerTo(url, { method: 'POST', headers, agent, timeout: TIMEOUT_MS }, body);
      micros.record(Math.max(1, Math.round((performance.now() - sentAt) * 1000)));
      const { status } = JSON.parse(text);
      if (status !== expected) throw new Error(`a poll was told ${status} instead of ${expected}`);
    } catch (error) {
      wrong ??= error;
    }
  }

  const timer = setInterval(() => {
    for (const due = ((performance.now() - begin) * perSecond) / 1000; sent < due; sent++) {
      const one = poll().finally(() => open.delete(one));
      open.add(one);
    }
  }, 1000 / perSecond);

  return async function stop() {
    clearInterval(timer);
    const seconds = (performance.now() - begin) / 1000;
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

/** The text of a 200. */
function answerTo(url, options, body) {
  return new Promise((resolve, reject) => {
    const call = request(url, options, async (response) => {
      try {
        let text = '';
        for await (const chunk of response) text += chunk;
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`a poll was answered ${response.statusCode}`));
      } catch (error) {
        reject(error);
      }
    });
    call.on('timeout', () => call.destroy(new Error('a poll was not answered')));
    call.on('error', reject);
    call.end(body);
  });
}
