// Polls, generates and video downloads at full speed, compared with servers that return constant data.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { measureRounds } from './measure.mjs';
import { here, startServer, tempDir } from './process-runner.mjs';
import { ACCEPTED, CHECK_STATUS, GENERATE, running, SORA, SORA_ORDER } from './requests.mjs';
import { checkPaid, complete, countPaidVideos, generate, HEADERS } from './tasks.mjs';

const SEEDANCE = '/api/seedance-1-5-pro';
const SEEDANCE_ORDER = {
  prompt: SORA_ORDER.prompt,
  mode: 'textToVideo',
  aspectRatio: 'landscape',
  resolution: '720p',
  duration: '8',
  generateAudio: true,
};
/** The fixture file behind the result of that order. */
const VIDEO = '1280x720-8s.mp4';

// Polls come first: every generate leaves a task in the emulator and takes memory.
const RUNS = {
  poll32: { servers: ['memory', 'bare', 'unjournaled'], connections: 32, path: CHECK_STATUS },
  poll256: { servers: ['memory', 'bare'], connections: 256, path: CHECK_STATUS },
  // The bare server's window is between the two that it is compared with.
  generate32: { servers: ['memory', 'bare', 'disk', 'unjournaled'], connections: 32, path: GENERATE },
  // Files come from separate servers, so that earlier runs do not affect the figures, nor these the later ones.
  video32: { servers: ['media', 'static'], connections: 32 },
};

/** Returns the figures of the runs in `sections`. */
export async function measureLoads(run) {
  const { emulator, sections, bare } = run;
  const chosen = Object.keys(RUNS).filter((name) => sections.has(name));
  const needed = new Set(chosen.flatMap((name) => RUNS[name].servers));
  const args = {
    memory: emulator,
    disk: [...emulator, `--data-dir=${join(tempDir, 'data')}`],
    unjournaled: [...emulator, '--journal-entries=0'],
    bare,
    media: emulator,
    static: [here('static.mjs')],
  };
  const servers = {};
  for (const name of needed) servers[name] = await startServer(args[name]);

  const load = {};
  for (const name of chosen) {
    load[name] = name === 'video32' ? await measureVideo(servers, run) : await measureCalls(name, servers, run);
  }
  for (const server of Object.values(servers)) await server.stop();
  return load;
}

async function measureCalls(name, servers, run) {
  const { servers: names, path, connections } = RUNS[name];
  const calls = { method: 'POST', headers: HEADERS, connections };
  const chosen = Object.fromEntries(names.map((server) => [server, servers[server]]));
  const targets = path === CHECK_STATUS ? await pollTargets(chosen) : generateTargets(chosen);
  const before = path === CHECK_STATUS ? undefined : await countPaid(chosen);
  const measured = await measureRounds({ name, calls, targets }, run);
  if (before) await before.check(measured);
  return measured;
}

/** Targets that poll a running task, one task per server. */
export async function pollTargets(servers) {
  const targets = {};
  for (const [name, server] of Object.entries(servers)) {
    const { taskId } = await generate(server.url, SORA, SORA_ORDER);
    const body = JSON.stringify({ taskId });
    targets[name] = { server, path: CHECK_STATUS, body, expected: running(taskId) };
  }
  return targets;
}

export const generateTargets = (servers) =>
  Object.fromEntries(
    Object.entries(servers).map(([name, server]) => [
      name,
      {
        server,
        path: GENERATE,
        body: JSON.stringify(SORA_ORDER),
        expected: ACCEPTED,
        mustBeNew: name !== 'bare',
      },
    ]),
  );

/** Checks that each emulator has as many more paid tasks as generate requests succeeded. */
export async function countPaid({ bare: _, ...emulators }) {
  const before = {};
  for (const [name, { url }] of Object.entries(emulators)) before[name] = await countPaidVideos(url);
  return {
    async check({ connections, warmUpRequests, rounds }) {
      for (const [name, { url }] of Object.entries(emulators)) {
        const succeeded = rounds.reduce((sum, round) => sum + round[name].requests, warmUpRequests[name]);
        // The end of a window interrupts one request per connection, which may have been paid for.
        checkPaid((await countPaidVideos(url)) - before[name], succeeded, connections * (rounds.length + 1));
      }
    },
  };
}

async function measureVideo(servers, run) {
  const { videoUrl } = await complete(servers.media.url, SEEDANCE, SEEDANCE_ORDER);
  const length = statSync(here(`../fixtures/videos/${VIDEO}`)).size;
  const targets = {
    media: { server: servers.media, path: new URL(videoUrl).pathname },
    bare: { server: servers.static, path: `/${VIDEO}` },
  };
  return measureRounds({ name: 'video32', calls: { method: 'GET', connections: 32, length }, targets }, run);
}
