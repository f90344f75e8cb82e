// Polls, generates and videos as fast as they are answered, beside a server that does nothing but answer.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { measureRounds } from './measure.mjs';
import { here, startServer, tempDir } from './process-runner.mjs';
import { ACCEPTED, CHECK_STATUS, GENERATE, running, SORA, SORA_ORDER } from './requests.mjs';
import { checkPaid, complete, generate, HEADERS, paidVideos } from './tasks.mjs';

const SEEDANCE = '/api/seedance-1-5-pro';
const SEEDANCE_ORDER = {
  prompt: SORA_ORDER.prompt,
  mode: 'textToVideo',
  aspectRatio: 'landscape',
  resolution: '720p',
  duration: '8',
  generateAudio: true,
};
/** The file that the emulator has for that order. */
const VIDEO = '1280x720-8s.mp4';

// Polls come first: every generate leaves a task, and the memory that it takes, with the emulator.
const RUNS = {
  poll32: { servers: ['memory', 'bare', 'unjournaled'], connections: 32, path: CHECK_STATUS },
  poll256: { servers: ['memory', 'bare'], connections: 256, path: CHECK_STATUS },
  // The bare server's window lies between the two it is compared with.
  generate32: { servers: ['memory', 'bare', 'disk', 'unjournaled'], connections: 32, path: GENERATE },
  // Files come from servers of their own, so that neither what they leave behind nor what came before tells.
  video32: { servers: ['media', 'static'], connections: 32 },
};

/** Answers the figures of those runs that are among `sections`. */
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
  const on = path === CHECK_STATUS ? await polled(chosen) : generated(chosen);
  const before = path === CHECK_STATUS ? undefined : await countPaid(chosen);
  const measured = await measureRounds({ name, calls, on }, run);
  if (before) await before.check(measured);
  return measured;
}

/** Each server is asked for a running task of its own. */
export async function polled(servers) {
  const on = {};
  for (const [name, server] of Object.entries(servers)) {
    const { taskId } = await generate(server.url, SORA, SORA_ORDER);
    const body = JSON.stringify({ taskId });
    on[name] = { server, path: CHECK_STATUS, body, expected: running(taskId) };
  }
  return on;
}

export const generated = (servers) =>
  Object.fromEntries(
    Object.entries(servers).map(([name, server]) => [
      name,
      {
        server,
        path: GENERATE,
        body: JSON.stringify(SORA_ORDER),
        expected: ACCEPTED,
        areNew: name !== 'bare',
      },
    ]),
  );

/** Whether each emulator among the servers has as many paid tasks more as generates were answered. */
export async function countPaid({ bare: _, ...emulators }) {
  const before = {};
  for (const [name, { url }] of Object.entries(emulators)) before[name] = await paidVideos(url);
  return {
    async check({ connections, warmUpRequests, rounds }) {
      for (const [name, { url }] of Object.entries(emulators)) {
        const answered = rounds.reduce((sum, round) => sum + round[name].requests, warmUpRequests[name]);
        // The end of a window cuts off one call on each connection, which may have been paid for.
        checkPaid((await paidVideos(url)) - before[name], answered, connections * (rounds.length + 1));
      }
    },
  };
}

async function measureVideo(servers, run) {
  const { videoUrl } = await complete(servers.media.url, SEEDANCE, SEEDANCE_ORDER);
  const length = statSync(here(`../fixtures/videos/${VIDEO}`)).size;
  const on = {
    media: { server: servers.media, path: new URL(videoUrl).pathname },
    bare: { server: servers.static, path: `/${VIDEO}` },
  };
  return measureRounds({ name: 'video32', calls: { method: 'GET', connections: 32, length }, on }, run);
}
