// Measures the emulator beside a bare Fastify server: throughput, latency, start and memory. `npm run bench` builds the
// emulator first. Writes docs/bench.json and docs/bench.md; ends with 1, and writes nothing, when an answer was wrong.
import { statSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { measureBurst } from './burst.mjs';
import {
  cpuSeconds,
  here,
  post,
  residentMib,
  round,
  rounded,
  startLoadTool,
  startServer,
  tempDir,
  tempIsMemory,
  watchMemory,
} from './processes.mjs';
import { toMarkdown, toTables } from './report.mjs';
import { complete, generate, HEADERS, SEED, SORA, SORA_ORDER } from './tasks.mjs';

const ROUNDS = 5;
const WINDOW_SECONDS = 2;
const WARM_UP_SECONDS = 1.5;
const START_ROUNDS = 7;
const RUN_TIMEOUT_MS = 290_000;

const GENERATE = `${SORA}/generate`;
const CHECK_STATUS = `${SORA}/check-status`;
const ORDER = JSON.stringify(SORA_ORDER);
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

const seedFile = join(tempDir, 'seed.json');
const dataDir = join(tempDir, 'data');
const BARE = [here('bare.mjs')];
const STATIC = [here('static.mjs')];
const EMULATOR = [
  here('../dist/main.js'),
  '--port=0',
  `--seed-file=${seedFile}`,
  // So slow that the polled task is still running when the run ends.
  '--speed=0.001',
];

setTimeout(() => fail(new Error('the run took longer than it may')), RUN_TIMEOUT_MS).unref();
try {
  await main();
} catch (error) {
  fail(error);
}
process.exit();

function fail(error) {
  process.stderr.write(`The benchmark failed: ${error.message}\n`);
  process.exit(1);
}

async function main() {
  writeFileSync(seedFile, JSON.stringify(SEED));
  const raw = {
    date: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: { model: cpus()[0]?.model.trim() ?? 'unknown', count: availableParallelism() },
    loadAverageBefore: loadavg()[0],
    settings: {
      rounds: ROUNDS,
      windowSeconds: WINDOW_SECONDS,
      startRounds: START_ROUNDS,
      logLevel: 'info',
      dataDirOn: tempIsMemory ? 'tmpfs' : 'disk',
    },
    start: await measureStarts(),
    ...(await measureLoad()),
    burst: await measureBurst(EMULATOR, say),
  };

  const tables = toTables(raw);
  process.stdout.write(`\n${tables}`);
  writeFileSync(here('../docs/bench.json'), `${JSON.stringify(raw, null, 2)}\n`);
  writeFileSync(here('../docs/bench.md'), toMarkdown(raw, tables));
}

async function measureStarts() {
  say('start');
  const start = { emulator: [], bare: [] };
  // The first pair fills the file cache and is not counted.
  for (let round = 0; round <= START_ROUNDS; round++) {
    const pair = { emulator: await measureStart(EMULATOR), bare: await measureStart(BARE) };
    if (round === 0) continue;
    start.emulator.push(pair.emulator);
    start.bare.push(pair.bare);
  }
  return start;
}

async function measureStart(args) {
  const server = await startServer(args);
  await post(server.url + GENERATE, HEADERS, ORDER);
  const answeredMs = performance.now() - server.begin;
  await server.stop();
  return { readyMs: round(server.readyMs, 1), answeredMs: round(answeredMs, 1) };
}

async function measureLoad() {
  const servers = {
    memory: await startServer(EMULATOR),
    disk: await startServer([...EMULATOR, `--data-dir=${dataDir}`]),
    unjournaled: await startServer([...EMULATOR, '--journal-entries=0']),
    bare: await startServer(BARE),
    // Files come from servers of their own, so that neither what they leave behind nor what came before tells.
    media: await startServer(EMULATOR),
    static: await startServer(STATIC),
  };
  const fire = startLoadTool();
  const { taskId } = await generate(servers.memory.url, SORA, SORA_ORDER);
  for (const name of ['disk', 'unjournaled', 'bare']) await generate(servers[name].url, SORA, SORA_ORDER);
  await sleep(1000);
  const idleMib = mapValues(servers, ({ pid }) => rounded(residentMib(pid)));
  const { videoUrl } = await complete(servers.media.url, SEEDANCE, SEEDANCE_ORDER);

  const poll = JSON.stringify({ taskId });
  const polling = { method: 'POST', headers: HEADERS, body: poll };
  const generating = { method: 'POST', headers: HEADERS, body: ORDER };
  const at = (path, names) =>
    Object.fromEntries(names.map((name) => [name, { server: servers[name], path }]));
  // Polls come first: every generate leaves a task, and the memory that it takes, with the emulator.
  const plan = [
    {
      name: 'poll32',
      calls: { ...polling, connections: 32 },
      on: at(CHECK_STATUS, ['memory', 'bare', 'unjournaled']),
    },
    {
      name: 'poll256',
      calls: { ...polling, connections: 256 },
      on: at(CHECK_STATUS, ['memory', 'bare']),
    },
    // The bare server's window lies between the two it is compared with.
    {
      name: 'generate32',
      calls: { ...generating, connections: 32 },
      on: at(GENERATE, ['memory', 'bare', 'disk', 'unjournaled']),
    },
    {
      name: 'video32',
      calls: { method: 'GET', connections: 32, length: statSync(here(`../fixtures/videos/${VIDEO}`)).size },
      on: {
        media: { server: servers.media, path: new URL(videoUrl).pathname },
        bare: { server: servers.static, path: `/${VIDEO}` },
      },
    },
  ];
  const load = {};
  for (const { name, calls, on } of plan) {
    await checkRunning();
    const windowOf = (server, seconds) => measureWindow(fire, on[server], { ...calls, seconds }, name);
    const names = Object.keys(on);
    const warmUp = {};
    for (const server of names) warmUp[server] = (await windowOf(server, WARM_UP_SECONDS)).requests;
    const rounds = [];
    for (let number = 1; number <= ROUNDS; number++) {
      // To and fro, so that a machine that gets slower does not always slow the same one.
      const order = number % 2 ? names : names.toReversed();
      const measured = {};
      for (const server of order) measured[server] = await windowOf(server, WINDOW_SECONDS);
      rounds.push(measured);
      say(
        `${name} ${number}/${ROUNDS}  ${order.map((server) => `${server} ${measured[server].perSecond}`).join('  ')}`,
      );
    }
    load[name] = { connections: calls.connections, warmUpRequests: warmUp, rounds };
  }
  await checkRunning();
  for (const server of Object.values(servers)) await server.stop();
  return { idleMib, load };

  /** A 200 alone does not say that what was polled is what was meant. */
  async function checkRunning() {
    const { status } = await post(servers.memory.url + CHECK_STATUS, HEADERS, poll);
    if (status !== 'processing') throw new Error(`the polled task is ${status} instead of running`);
  }
}

async function measureWindow(fire, { server, path }, calls, name) {
  const memory = watchMemory(server.pid);
  const cpuBefore = cpuSeconds(server.pid);
  const result = await fire({ ...calls, url: server.url + path });
  const cpu = cpuBefore === undefined ? undefined : cpuSeconds(server.pid) - cpuBefore;
  const mostMib = memory();
  server.emptyLog();
  const { requests, non2xx, wrongLength, errors } = result;
  if (non2xx > 0 || wrongLength > 0 || errors > 0 || requests === 0) {
    throw new Error(
      `${name}: of ${requests} answers ${non2xx} were not 2xx, ${wrongLength} not of the right length, and ${errors} never came`,
    );
  }
  return {
    ...result,
    serverBusy: cpu && round(cpu / result.seconds, 2),
    cpuMicrosPerRequest: cpu && round((cpu * 1e6) / result.requests, 1),
    mostMib: rounded(mostMib),
  };
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}

/** Progress goes to stderr, so that stdout is the result alone. */
function say(text) {
  process.stderr.write(`${text}\n`);
}
