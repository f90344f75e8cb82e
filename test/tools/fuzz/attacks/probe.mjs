// Another client: polls the emulator and an idle server in turn at a fixed rate, and reports how long each poll took.
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

const { url, pid, idleUrl, path, key, body, intervalMs } = workerData;
const MAX_PENDING = 4;
let agent;

/** Processor time of the emulator's main thread; infinite where the system does not count it. */
function readBusyMs() {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
  } catch {
    return Infinity;
  }
}

function poll(origin, done) {
  const [startedMs, startedBusyMs] = [performance.now(), readBusyMs()];
  const finish = (status) => {
    const [ms, busyMs] = [performance.now() - startedMs, readBusyMs() - startedBusyMs];
    // A poll waits for what the emulator does meanwhile. The rest of the time, other processes use the machine.
    done({ status, ms: busyMs >= 0 ? Math.min(ms, busyMs) : ms, totalMs: ms });
  };
  const outgoing = request(
    origin + path,
    {
      method: 'POST',
      agent,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'content-length': body.length },
    },
    (response) => response.resume().on('end', () => finish(response.statusCode)),
  );
  // A connection that the server closed while it was idle: as allowed as any other retry.
  outgoing.on('error', () => finish(0));
  outgoing.end(body);
}

let polls = [];
let idlePolls = [];
let pending = 0;
let pendingIdle = 0;
let timer;

async function start() {
  polls = [];
  idlePolls = [];
  // Connected before the attack: a new connection waits for all that were opened before it, as on any server.
  agent = new Agent({ keepAlive: true, maxSockets: MAX_PENDING });
  await Promise.all(Array.from({ length: MAX_PENDING }, () => new Promise((resolve) => poll(url, resolve))));
  parentPort.postMessage('connected');
  const [own, ownIdle] = [polls, idlePolls];
  timer = setInterval(() => {
    // More would only wait for each other where the machine is busy with something else.
    if (pending < MAX_PENDING) {
      pending += 1;
      poll(url, (result) => {
        pending -= 1;
        own.push(result);
      });
    }
    if (pendingIdle < MAX_PENDING) {
      pendingIdle += 1;
      poll(idleUrl, ({ totalMs }) => {
        pendingIdle -= 1;
        ownIdle.push(totalMs);
      });
    }
  }, intervalMs);
}

async function stop() {
  clearInterval(timer);
  const deadlineMs = performance.now() + 20_000;
  while (pending > 0 && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 5));
  agent.destroy();
  parentPort.postMessage({ polls, idlePolls, unanswered: pending });
}

parentPort.on('message', (command) => (command === 'start' ? start() : stop()));
