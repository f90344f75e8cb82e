// From nothing to the first answer, and the memory of a server that has nothing to do.
import { setTimeout as sleep } from 'node:timers/promises';
import { residentMib } from './proc-stats.mjs';
import { post, startServer, startTool } from './process-runner.mjs';
import { GENERATE, SORA_ORDER } from './requests.mjs';
import { round, rounded } from './stats.mjs';
import { HEADERS } from './tasks.mjs';

const IDLE_MS = 1000;
const ORDER = JSON.stringify(SORA_ORDER);
const LIBRARY_TIMEOUT_MS = 60_000;

/** `kinds`: the arguments of servers by name. Answers for each its figures, one for each round. */
export async function measureStarts(kinds, { settings, say }) {
  const starts = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
  // The first round fills the file cache and is not counted.
  for (let number = 0; number <= settings.startRounds; number++) {
    for (const [kind, args] of Object.entries(kinds)) {
      const measured = await measureStart(args);
      if (number > 0) starts[kind].push(measured);
    }
  }
  const told = Object.entries(starts).map(([kind, all]) => `${kind} ${all.at(-1).answeredMs}`);
  say(`start  ${told.join('  ')} ms`);
  return starts;
}

async function measureStart(args) {
  const server = await startServer(args);
  await post(server.url + GENERATE, HEADERS, ORDER);
  const answeredMs = performance.now() - server.begin;
  await sleep(IDLE_MS);
  const idleMib = rounded(residentMib(server.pid));
  await server.stop();
  return { readyMs: round(server.readyMs, 1), answeredMs: round(answeredMs, 1), idleMib };
}

/** `startEmulator` of the package, in one process that has loaded it. */
export async function measureLibrary({ settings, say }) {
  const tool = startTool('library.mjs');
  const measured = await tool.ask({ starts: settings.libraryStarts }, LIBRARY_TIMEOUT_MS);
  tool.end();
  say(`startEmulator  ${measured.startMs.join('  ')} ms`);
  return measured;
}
