// Sends requests at a fixed rate, in its own process: each one when it is due, however late earlier responses are. Its
// latency counts from when it was due. A load tool that waits for a response before it sends the next request leaves
// out the requests that a stalled server holds back (coordinated omission).
import { once } from 'node:events';
import { connect } from 'node:net';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { createChecker, serve, toLatencies } from './responses.mjs';

/** Above this rate, the tool looks for due requests in every turn instead of once per millisecond. */
const MAX_TIMER_RATE = 1000;
/** Time limit for the last responses. */
const TIMEOUT_MS = 5000;

let stop;
serve((message) => {
  if (message !== 'stop') return run(message);
  stop();
  return undefined;
});

/**
 * Runs for `seconds`; without them, until the message 'stop'. In that case, it also replies as soon as the server has
 * accepted all connections. A busy server accepts them one by one, which would count as the latency of the first
 * requests.
 */
async function run({ url, method, headers, body, connections, perSecond, seconds, ...checks }) {
  const { hostname, port, host, pathname } = new URL(url);
  if (hostname !== '127.0.0.1') throw new Error('the load tool only targets loopback');
  const fields = Object.entries({ host, ...headers, 'content-length': Buffer.byteLength(body) });
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const request = `${method} ${pathname} HTTP/1.1\r\n${head}\r\n${body}`;

  const cpuBefore = process.cpuUsage();
  const micros = createHistogram();
  const checker = createChecker(checks);
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port, hostname)));
  const idle = [...sockets];
  const startedMs = performance.now();
  const dueMs = (index) => startedMs + (index * 1000) / perSecond;
  let sent = 0;
  let received = 0;
  let non2xx = 0;
  let errors = 0;
  /** The number of requests, once the window has ended. */
  let total = Number.POSITIVE_INFINITY;

  function sendDue() {
    const due = Math.min(total, ((performance.now() - startedMs) * perSecond) / 1000);
    for (; sent < due && idle.length > 0; sent++) {
      const socket = idle.pop();
      socket.index = sent;
      socket.write(request);
    }
  }

  function onResponse(socket, status, text) {
    micros.record(Math.max(1, Math.round((performance.now() - dueMs(socket.index)) * 1000)));
    received += 1;
    // The first request was sent on the connection that was opened last.
    if (received === 1 && seconds === undefined) process.send({ result: 'accepted' });
    if (!status.startsWith('2')) non2xx += 1;
    checker.check(text);
    idle.push(socket);
    sendDue();
  }

  for (const socket of sockets) {
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      text += chunk;
      const end = text.indexOf('\r\n\r\n') + 4;
      if (end < 4) return;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1]);
      if (text.length < end + length) return;
      const response = text;
      text = '';
      onResponse(socket, response.slice(9, 12), response.slice(end));
    });
    socket.on('close', () => errors++);
  }

  const again = perSecond > MAX_TIMER_RATE ? setImmediate : (work) => setTimeout(work, 1);
  const loop = () => {
    sendDue();
    if (sent < total) again(loop);
  };
  loop();
  await Promise.race([
    new Promise((resolve) => {
      stop = resolve;
    }),
    ...(seconds === undefined ? [] : [sleep(seconds * 1000)]),
  ]);
  const windowSeconds = (performance.now() - startedMs) / 1000;
  total = Math.ceil(windowSeconds * perSecond);
  for (const endMs = performance.now() + TIMEOUT_MS; received < total && performance.now() < endMs; ) await sleep(5);
  const lost = Math.max(errors, total - received);
  total = 0;
  for (const socket of sockets) socket.destroy();
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    requests: received,
    seconds: windowSeconds,
    perSecond: Math.round(received / windowSeconds),
    ...toLatencies(micros),
    ...{ non2xx, errors: lost },
    ...checker.result(),
    loadToolBusy: Math.round((user + system) / (windowSeconds * 1e4)) / 100,
  };
}

async function open(port, hostname) {
  const socket = connect({ port: Number(port), host: hostname, noDelay: true });
  // Errors end in `close`, which is counted.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}
