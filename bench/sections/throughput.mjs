// Polls, generate requests and video downloads, compared with servers that return constant data: at full speed, and at
// a fixed rate.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { median, round } from '../report/stats.mjs';
import { openDatabase } from '../support/database.mjs';
import { measureRounds } from '../support/measure.mjs';
import { here, startServer, tempDir } from '../support/process-runner.mjs';
import { ACCEPTED, CHECK_STATUS, GENERATE, running, SORA, SORA_ORDER } from '../support/requests.mjs';
import { checkPaid, complete, countPaidVideos, generate, HEADERS } from '../support/tasks.mjs';

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

// Polls come first: every generate request leaves a task in the emulator and takes memory.
const RUNS = {
  poll32: { servers: ['memory', 'bare'], connections: 32, path: CHECK_STATUS },
  poll256: { servers: ['memory', 'bare'], connections: 256, path: CHECK_STATUS },
  generate32: { servers: ['memory', 'bare', 'disk', 'sqlite', 'sqliteDisk'], connections: 32, path: GENERATE },
  // Files come from separate servers, so that earlier runs do not affect the figures, nor these the later ones.
  video32: { servers: ['media', 'static'], connections: 32 },
};
const FIXED_RATE_CONNECTIONS = 32;

/** Returns the figures of the runs in `sections`. */
export async function measureLoads(run) {
  const { emulator, sections, bare } = run;
  const chosen = Object.keys(RUNS).filter((name) => sections.has(name));
  const needed = new Set(chosen.flatMap((name) => RUNS[name].servers));
  const dirs = { disk: join(tempDir, 'data'), template: join(tempDir, 'template') };
  const files = { disk: databaseIn(dirs.disk), sqliteDisk: join(tempDir, 'bare.sqlite') };
  const bareSqlite = (file) => [here('servers/bare-sqlite.mjs'), databaseIn(dirs.template), file];
  const args = {
    memory: inMemory(emulator),
    disk: [...emulator, `--data-dir=${dirs.disk}`],
    bare,
    sqlite: bareSqlite(':memory:'),
    sqliteDisk: bareSqlite(files.sqliteDisk),
    media: emulator,
    static: [here('servers/static.mjs')],
  };
  if (needed.has('sqlite')) await createTemplate([...emulator, `--data-dir=${dirs.template}`]);
  const servers = {};
  for (const name of needed) servers[name] = await startServer(args[name]);

  const load = {};
  for (const name of chosen) {
    load[name] = name === 'video32' ? await measureVideo(servers, run) : await measureCalls(name, servers, run);
  }
  for (const server of Object.values(servers)) await server.stop();
  if (load.generate32) load.generate32.bytesPerTask = compareSizes(files);
  return load;
}

/** An emulator in memory with room for all tasks: none of them ends during the run, so none can be evicted. */
export const inMemory = (emulator) => [...emulator, '--memory-budget-mb=1024'];

const databaseIn = (dir) => join(dir, 'emulator.sqlite');

/** Creates a database with one task. */
async function createTemplate(args) {
  const server = await startServer(args);
  await generate(server.url, SORA, SORA_ORDER);
  await server.stop('SIGTERM');
}

/** Returns the size of a task and its entries in each file. @throws Error when they differ by more than a tenth */
function compareSizes(files) {
  const sizes = {};
  for (const [name, file] of Object.entries(files)) {
    const db = openDatabase(file);
    const query = `SELECT sum(pgsize) * 1.0 / (SELECT count(*) FROM tasks) FROM dbstat
      WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name IN ('tasks', 'ledger_entries'))`;
    sizes[name] = round(db.prepare(query).pluck().get(), 0);
    db.close();
  }
  if (Math.abs(sizes.disk / sizes.sqliteDisk - 1) > 0.1) {
    throw new Error(`bare SQLite writes ${sizes.sqliteDisk} bytes per task, but the emulator writes ${sizes.disk}`);
  }
  return sizes;
}

async function measureCalls(name, servers, run) {
  const { servers: names, path, connections } = RUNS[name];
  const calls = { method: 'POST', headers: HEADERS, connections };
  const chosen = Object.fromEntries(names.map((server) => [server, servers[server]]));
  const targets = path === CHECK_STATUS ? await pollTargets(chosen) : generateTargets(chosen);
  const paid = path === CHECK_STATUS ? undefined : await countPaid(chosen);
  const measured = await measureRounds({ name, calls, targets }, run);
  if (connections === FIXED_RATE_CONNECTIONS) {
    measured.fixed = await measureFixedRate(name, { calls, targets }, measured.rounds, run);
  }
  await paid?.check(measured, measured.fixed);
  return measured;
}

/** Sends requests to all servers at half the rate that the slowest of the emulators and bare Fastify can serve. */
async function measureFixedRate(name, { calls, targets }, rounds, run) {
  const ceilings = ['bare', 'memory', 'disk']
    .filter((server) => targets[server])
    .map((server) => ({ server, perSecond: median(rounds.map((round) => round[server].perSecond)) }));
  const slowest = ceilings.reduce((one, other) => (other.perSecond < one.perSecond ? other : one));
  const perSecond = Math.round(slowest.perSecond / 200) * 100;
  const settings = { ...run.settings, rounds: run.settings.fixedRounds };
  const measured = await measureRounds(
    { name: `${name} at ${perSecond}/s`, calls: { ...calls, perSecond }, targets },
    { ...run, settings, fire: run.fixedRate.fire },
  );
  return { ...measured, perSecond, halfOf: slowest.server };
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

/** Counts paid tasks. `check` throws unless each emulator has charged since for as many as requests succeeded. */
export async function countPaid({ bare: _, sqlite: _1, sqliteDisk: _2, ...emulators }) {
  const before = {};
  for (const [name, { url }] of Object.entries(emulators)) before[name] = await countPaidVideos(url);
  return {
    async check(...measurements) {
      for (const [name, { url }] of Object.entries(emulators)) {
        let succeeded = 0;
        let cutOff = 0;
        for (const { connections, warmUpRequests, rounds } of measurements) {
          if (!(name in warmUpRequests)) continue;
          succeeded += rounds.reduce((sum, round) => sum + round[name].requests, warmUpRequests[name]);
          // The end of a window interrupts one request per connection, which may have been paid for.
          cutOff += connections * (rounds.length + 1);
        }
        checkPaid((await countPaidVideos(url)) - before[name], succeeded, cutOff);
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
