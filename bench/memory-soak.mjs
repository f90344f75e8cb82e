// A minute of mixed load at full speed: how much memory a server uses then.
import { join } from 'node:path';
import { measureWindow } from './measure.mjs';
import { residentMib } from './proc-stats.mjs';
import { startServer, tempDir } from './process-runner.mjs';
import { CHECK_STATUS, GENERATE, SORA, SORA_ORDER } from './requests.mjs';
import { roundToTenth } from './stats.mjs';
import { checkPaid, complete, countPaidVideos, DEFAULT_HEADERS, DEFAULT_KEY, generate, HEADERS } from './tasks.mjs';

/** Each ten requests order one video and poll a running and a completed task. */
const MIX = { generates: 1, running: 5, completed: 4 };
const CONNECTIONS = 32;
const EITHER = { success: true, status: ['processing', 'completed'], taskId: '*' };

/** On disk and in memory, one after the other: only in memory do finished tasks add to the process. */
export async function measureMinute({ emulator, fire, settings, log }) {
  const seconds = settings.minuteSeconds;
  const measured = { seconds };
  for (const [kind, more] of Object.entries({
    disk: [`--data-dir=${join(tempDir, 'minute')}`],
    memory: [],
  })) {
    const server = await startServer([...emulator, ...more]);
    measured[kind] = await measureOne(server, fire, seconds);
    await server.stop();
    const { requests, videos, afterMib, maxMib } = measured[kind];
    log(`minute, ${kind}  ${requests} requests, ${videos} videos  ${afterMib} MiB afterwards, max ${maxMib} MiB`);
  }
  return measured;
}

async function measureOne(server, fire, seconds) {
  const { url, pid } = server;
  const { taskId: running } = await generate(url, SORA, SORA_ORDER);
  const { taskId: completed } = await complete(url, SORA, SORA_ORDER);
  // Tasks of this account end within seconds, as at the default settings, so the worker has work to do.
  const generating = { path: GENERATE, headers: DEFAULT_HEADERS, body: JSON.stringify(SORA_ORDER) };
  const polling = (taskId) => ({ path: CHECK_STATUS, headers: HEADERS, body: JSON.stringify({ taskId }) });
  const requests = [
    ...Array(MIX.generates).fill(generating),
    ...Array(MIX.running).fill(polling(running)),
    ...Array(MIX.completed).fill(polling(completed)),
  ].map((call) => ({ method: 'POST', ...call }));

  const calls = { requests, connections: CONNECTIONS, seconds };
  const target = { server, path: '', expected: EITHER };
  const { requests: requestCount, perSecond, p99Ms, maxMib } = await measureWindow(fire, target, calls, 'minute');
  const afterMib = roundToTenth(residentMib(pid));
  const videos = await countPaidVideos(url, DEFAULT_KEY);
  // Each connection goes through the mix from its start.
  const min = Math.floor(requestCount / requests.length);
  checkPaid(videos, min, 2 * CONNECTIONS);
  return { requests: requestCount, perSecond, p99Ms, videos, afterMib, maxMib };
}
