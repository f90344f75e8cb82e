// Memory of the emulator: after a minute of mixed load at full speed, and what a task and a journal entry retain.
import { once } from 'node:events';
import { round, roundToTenth } from '../report/stats.mjs';
import { measureWindow } from '../support/measure.mjs';
import { residentMib } from '../support/proc-stats.mjs';
import { getText, post, startServer } from '../support/process-runner.mjs';
import { CHECK_STATUS, GENERATE, SORA, SORA_ORDER } from '../support/requests.mjs';
import {
  addAccount,
  checkPaid,
  complete,
  countPaidVideos,
  DEFAULT_HEADERS,
  DEFAULT_KEY,
  generate,
  HEADERS,
  SLOW_SPEED,
} from '../support/tasks.mjs';
import { generateTargets } from './throughput.mjs';

/** The mix of ten requests: orders of a video, polls of a running task, and polls of a completed one. */
const MIX = { generates: 1, running: 5, completed: 4 };
const CONNECTIONS = 32;
const EITHER = { success: true, status: ['processing', 'completed'], taskId: '*' };

export async function measureMinute({ emulator, fire, settings, log }) {
  const seconds = settings.minuteSeconds;
  // At the default, a fast machine orders so many videos that the polled task, the oldest finished one, is evicted.
  const server = await startServer([...emulator, '--memory-budget-mb=1024']);
  const { url, pid } = server;
  const { taskId: running } = await generate(url, SORA, SORA_ORDER);
  const { taskId: completed } = await complete(url, SORA, SORA_ORDER);
  // Tasks of this account end within seconds, as at the default settings, so the worker has work to do.
  const generating = { path: GENERATE, headers: DEFAULT_HEADERS, body: JSON.stringify(SORA_ORDER) };
  const polling = (taskId) => ({ path: CHECK_STATUS, headers: HEADERS, body: JSON.stringify({ taskId }) });
  const mix = [
    ...Array(MIX.generates).fill(generating),
    ...Array(MIX.running).fill(polling(running)),
    ...Array(MIX.completed).fill(polling(completed)),
  ].map((call) => ({ method: 'POST', ...call }));

  const calls = { requests: mix, connections: CONNECTIONS, seconds };
  const { requests, maxMib } = await measureWindow(fire, { server, path: '', expected: EITHER }, calls, 'minute');
  const afterMib = roundToTenth(residentMib(pid));
  const videos = await countPaidVideos(url, DEFAULT_KEY);
  // Each connection goes through the mix from its start.
  checkPaid(videos, Math.floor(requests / mix.length), 2 * CONNECTIONS);
  await server.stop();
  log(`minute  ${requests} requests, ${videos} videos  ${afterMib} MiB afterwards, max ${maxMib} MiB`);
  return { seconds, requests, videos, afterMib, maxMib };
}

/** Replies to each message with the memory that is in use after a garbage collection. */
const PROBE = `process.on('message', () => { gc(); gc(); process.send({ result: process.memoryUsage() }); });
process.channel.unref();`;

/** Growth of the memory, divided by the number of journal entries and of tasks that were added. */
export async function measureRetained({ emulator, fire, settings, log }) {
  const amount = settings.retained;
  const probe = ['--expose-gc', '--import', `data:text/javascript,${encodeURIComponent(PROBE)}`];
  const server = await startServer([...probe, ...emulator, `--journal-entries=${amount}`], { ipc: ['ipc'] });
  const { it: submit } = generateTargets({ it: server });
  const otherHeaders = await addAccount(server.url, 'np_test_bench_other', SLOW_SPEED);
  const { taskId } = await post(server.url + GENERATE, otherHeaders, JSON.stringify(SORA_ORDER));
  const poll = { server, path: CHECK_STATUS, body: JSON.stringify({ taskId }), expected: EITHER };
  const calls = { method: 'POST', connections: CONNECTIONS, amount };
  const send = (target, headers) => measureWindow(fire, target, { ...calls, headers }, 'retained');

  // Fills the journal of the account with the tasks, and all caches.
  await send(submit, HEADERS);
  await send(submit, HEADERS);
  const start = await measureHeld(server);
  await send(poll, otherHeaders);
  const polled = await measureHeld(server);
  await send(submit, HEADERS);
  const submitted = await measureHeld(server);
  await server.stop();
  const per = (from, to, figure) => round((to[figure] - from[figure]) / amount, 0);
  const measured = {
    amount,
    entryBytes: per(start, polled, 'heap'),
    taskHeapBytes: per(polled, submitted, 'heap'),
    taskStorageBytes: per(polled, submitted, 'storage'),
  };
  log(`retained  ${JSON.stringify(measured)}`);
  return measured;
}

async function measureHeld({ child, url }) {
  const metrics = await getText(`${url}/metrics`);
  child.send('measure');
  const [{ result }] = await once(child, 'message');
  const storage = /^nanophoto_memory_bytes\{use="storage"\} (\d+)$/m.exec(metrics)?.[1];
  return { heap: result.heapUsed + result.external, storage: Number(storage) };
}
