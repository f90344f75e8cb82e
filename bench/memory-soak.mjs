// A minute of everything at once, as much as is answered: what memory a server has then.
import { join } from 'node:path';
import { measureWindow } from './measure.mjs';
import { residentMib } from './proc-stats.mjs';
import { startServer, tempDir } from './process-runner.mjs';
import { CHECK_STATUS, GENERATE, SORA, SORA_ORDER } from './requests.mjs';
import { rounded } from './stats.mjs';
import { checkPaid, complete, generate, HEADERS, paidVideos, USUAL_HEADERS, USUAL_KEY } from './tasks.mjs';

/** Of ten requests one orders a video, the others ask for one that is being made and for one that is there. */
const MIX = { generates: 1, running: 5, completed: 4 };
const CONNECTIONS = 32;
const EITHER = { success: true, status: ['processing', 'completed'], taskId: '*' };

/** `disk` and `memory`, one after the other: what a task leaves behind is in the process only with the second. */
export async function measureMinute({ emulator, fire, settings, say }) {
  const seconds = settings.minuteSeconds;
  const measured = { seconds };
  for (const [kind, more] of Object.entries({
    disk: [`--data-dir=${join(tempDir, 'minute')}`],
    memory: [],
  })) {
    const server = await startServer([...emulator, ...more]);
    measured[kind] = await measureOne(server, fire, seconds);
    await server.stop();
    const { requests, videos, afterMib, mostMib } = measured[kind];
    say(`minute, ${kind}  ${requests} requests, ${videos} videos  ${afterMib} MiB after it, ${mostMib} MiB at most`);
  }
  return measured;
}

async function measureOne(server, fire, seconds) {
  const { url, pid } = server;
  const { taskId: running } = await generate(url, SORA, SORA_ORDER);
  const { taskId: completed } = await complete(url, SORA, SORA_ORDER);
  // Tasks of this account end after seconds, as at the default settings: the worker has its share of the minute.
  const generating = { path: GENERATE, headers: USUAL_HEADERS, body: JSON.stringify(SORA_ORDER) };
  const polling = (taskId) => ({ path: CHECK_STATUS, headers: HEADERS, body: JSON.stringify({ taskId }) });
  const requests = [
    ...Array(MIX.generates).fill(generating),
    ...Array(MIX.running).fill(polling(running)),
    ...Array(MIX.completed).fill(polling(completed)),
  ].map((call) => ({ method: 'POST', ...call }));

  const calls = { requests, connections: CONNECTIONS, seconds };
  const target = { server, path: '', expected: EITHER };
  const { requests: answered, perSecond, p99Ms, mostMib } = await measureWindow(fire, target, calls, 'minute');
  const afterMib = rounded(residentMib(pid));
  const videos = await paidVideos(url, USUAL_KEY);
  // Each connection goes through the mix from its beginning.
  const least = Math.floor(answered / requests.length);
  checkPaid(videos, least, 2 * CONNECTIONS);
  return { requests: answered, perSecond, p99Ms, videos, afterMib, mostMib };
}
