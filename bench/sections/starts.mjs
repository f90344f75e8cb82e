// Time from the start of a server to its first response, and the memory of an idle server.
import { setTimeout as sleep } from 'node:timers/promises';
import { round, roundToTenth } from '../report/stats.mjs';
import { residentMib } from '../support/proc-stats.mjs';
import { post, startServer, startTool } from '../support/process-runner.mjs';
import { GENERATE, SORA_ORDER } from '../support/requests.mjs';
import { HEADERS } from '../support/tasks.mjs';

const IDLE_MS = 1000;
const ORDER = JSON.stringify(SORA_ORDER);
const LIBRARY_TIMEOUT_MS = 60_000;

/** `kinds`: server arguments by name. Returns the figures of each round by name. */
export async function measureStarts(kinds, { settings, log }) {
  const starts = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
  // The first round fills the file cache and is not counted.
  for (let number = 0; number <= settings.startRounds; number++) {
    for (const [kind, args] of Object.entries(kinds)) {
      const measured = await measureStart(args);
      if (number > 0) starts[kind].push(measured);
    }
  }
  const latest = Object.entries(starts).map(([kind, all]) => `${kind} ${all.at(-1).firstResponseMs}`);
  log(`start  ${latest.join('  ')} ms`);
  return starts;
}

async function measureStart(args) {
  const server = await startServer(args);
  await post(server.url + GENERATE, HEADERS, ORDER);
  const firstResponseMs = performance.now() - server.startedMs;
  await sleep(IDLE_MS);
  const idleMib = roundToTenth(residentMib(server.pid));
  // The next start of a killed server would have to look for its last writes.
  await server.stop('SIGTERM');
  return { readyMs: round(server.readyMs, 1), firstResponseMs: round(firstResponseMs, 1), idleMib };
}

/** Times the package's `startEmulator` in one process that has loaded it. */
export async function measureLibrary({ settings, log }) {
  const tool = startTool('tools/library.mjs');
  const measured = await tool.ask({ starts: settings.libraryStarts }, LIBRARY_TIMEOUT_MS);
  tool.end();
  log(`startEmulator  ${measured.startMs.join('  ')} ms`);
  return measured;
}
