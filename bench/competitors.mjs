// Other mock servers beside the emulator: the same two requests, the same load tool, in the same rounds. npm installs them
// into a temporary directory; what cannot be had or does not work is told, and the others go on.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { measureRounds } from './measure.mjs';
import { residentMib } from './proc-stats.mjs';
import { here, post, spawnServer, tempDir } from './process-runner.mjs';
import { CHECK_STATUS, GENERATE, SORA_ORDER } from './requests.mjs';
import { round, rounded } from './stats.mjs';
import { HEADERS } from './tasks.mjs';
import { countPaid, generated, polled } from './throughput.mjs';

const INSTALL_TIMEOUT_MS = 240_000;
const START_TIMEOUT_MS = 30_000;
const LOOK_EVERY_MS = 5;
const IDLE_MS = 1000;
const CONNECTIONS = 32;
const HOST = '127.0.0.1';

const TASK_ID = `task_${'0'.repeat(24)}`;
/** What peers that are told their answers are told. */
const ANSWERS = {
  [GENERATE]: {
    ...{ success: true, status: 'processing' },
    ...{ taskId: TASK_ID, message: 'Video generation in progress' },
  },
  [CHECK_STATUS]: {
    ...{ success: true, status: 'processing', progress: 'generating' },
    ...{ message: 'Video generation generating', taskId: TASK_ID },
  },
};

/** `args`: what node is started with when the package is in `dir`. */
const PEERS = [
  {
    name: 'Prism',
    package: '@stoplight/prism-cli',
    how: 'answers with the examples of docs/openapi.json',
    args: (dir, port) => [
      join(dir, 'node_modules/@stoplight/prism-cli/dist/index.js'),
      ...['mock', here('../docs/openapi.json'), `--port=${port}`, `--host=${HOST}`],
    ],
  },
  {
    name: 'Mockoon',
    package: '@mockoon/cli',
    how: 'two routes with constant bodies',
    args: (dir, port) => {
      const data = join(dir, 'mockoon.json');
      writeFileSync(data, JSON.stringify(mockoonData(port)));
      return [
        join(dir, 'node_modules/@mockoon/cli/bin/run.js'),
        ...['start', `--data=${data}`, '--disable-admin-api', '--disable-log-to-file'],
      ];
    },
  },
  {
    name: 'aimock',
    package: '@copilotkit/aimock',
    how: 'a mounted handler with constant bodies',
    args: (dir, port) => [here('peer-aimock.mjs'), dir, String(port), JSON.stringify(ANSWERS)],
  },
];

function mockoonData(port) {
  const uuid = (number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
  const routes = Object.entries(ANSWERS).map(([path, answer], index) => ({
    uuid: uuid(index + 1),
    type: 'http',
    method: 'post',
    endpoint: path.slice(1),
    responses: [
      {
        uuid: uuid(index + 11),
        statusCode: 200,
        headers: [{ key: 'content-type', value: 'application/json' }],
        body: JSON.stringify(answer),
        bodyType: 'INLINE',
        default: true,
      },
    ],
  }));
  const rootChildren = routes.map((route) => ({ type: 'route', uuid: route.uuid }));
  return {
    ...{ uuid: uuid(0), lastMigration: 33, name: 'bench', port, hostname: HOST },
    ...{ rootChildren, folders: [], routes, headers: [] },
  };
}

export async function measurePeers(run) {
  const { emulator, bare, settings, say } = run;
  const all = {
    bare: { how: 'constant JSON', args: (port) => [...bare, String(port)] },
    emulator: { how: 'all that it does, in memory', args: (port) => [...emulator, `--port=${port}`] },
  };
  const missing = [];
  const leaveOut = (name, version, error) => {
    const reason = error.message.split('\n')[0].replace(/; its output:$/, '');
    say(`${name} is left out: ${reason}`);
    missing.push({ name, version, reason });
    delete all[name];
  };
  for (const { name, package: id, how, args } of PEERS) {
    say(`peers: installing ${id}`);
    try {
      const { dir, version } = await install(name, id);
      all[name] = { how, version, args: (port) => args(dir, port) };
    } catch (error) {
      leaveOut(name, undefined, error);
    }
  }

  const servers = {};
  for (const [name, { args, version }] of Object.entries(all)) {
    try {
      const starts = [];
      // As elsewhere: the first fills the file cache and is not counted.
      for (let number = 0; number <= settings.longRounds; number++) {
        await servers[name]?.stop();
        servers[name] = await startAnswering(args);
        const { answeredMs } = servers[name];
        await sleep(IDLE_MS);
        if (number > 0) starts.push({ answeredMs, idleMib: rounded(residentMib(servers[name].pid)) });
      }
      all[name].starts = starts;
      say(`peers: ${name} answers after ${starts.map(({ answeredMs }) => answeredMs).join('  ')} ms`);
    } catch (error) {
      await servers[name]?.stop();
      delete servers[name];
      if (!version) throw error;
      leaveOut(name, version, error);
    }
  }

  const drop = async (name, error) => {
    await servers[name].stop();
    delete servers[name];
    leaveOut(name, all[name].version, error);
  };
  const calls = { method: 'POST', headers: HEADERS, connections: CONNECTIONS };
  const measure = (name, on) => measureRounds({ name: `peers ${name}`, calls, on, drop }, run);
  const { bare: bareServer, emulator: ours, ...peers } = servers;
  const poll32 = await measure('poll32', {
    ...(await polled({ bare: bareServer, emulator: ours })),
    ...constant(peers, CHECK_STATUS, { taskId: TASK_ID }, ['processing', 'completed']),
  });
  const paid = await countPaid({ emulator: ours });
  const stillThere = Object.fromEntries(Object.entries(peers).filter(([name]) => servers[name]));
  const generate32 = await measure('generate32', {
    ...generated({ bare: bareServer, emulator: ours }),
    ...constant(stillThere, GENERATE, SORA_ORDER, 'processing'),
  });
  await paid.check(generate32);
  for (const server of Object.values(servers)) await server.stop();
  const kinds = Object.entries(all).map(([name, { how, version, starts }]) => ({
    name,
    how,
    version,
    starts,
  }));
  return { kinds, missing, poll32, generate32 };
}

function constant(servers, path, order, status) {
  const expected = { success: true, status, taskId: '*' };
  const body = JSON.stringify(order);
  return Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, { server, path, body, expected }]));
}

/** In a directory of its own, so that one that cannot be had does not take the others with it. */
async function install(name, id) {
  const dir = join(tempDir, 'peers', name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', id];
  try {
    await promisify(execFile)('npm', args, { cwd: dir, timeout: INSTALL_TIMEOUT_MS });
  } catch (error) {
    // Its own words name hosts and paths, which are nobody's business in a report.
    const code = /^npm error code (\S+)/m.exec(error.stderr ?? '')?.[1];
    throw new Error(code ? `npm could not install it (${code})` : 'npm could not install it');
  }
  const { version } = JSON.parse(readFileSync(join(dir, 'node_modules', id, 'package.json'), 'utf8'));
  return { dir, version };
}

/** Not all tell when they are ready, so all are asked until they answer. */
async function startAnswering(argsOf) {
  const port = await freePort();
  const args = argsOf(port);
  const server = spawnServer(args, { cwd: tempDir, stderr: 'log' });
  const url = `http://${HOST}:${port}`;
  try {
    for (;;) {
      server.checkAlive();
      try {
        await post(url + GENERATE, HEADERS, JSON.stringify(SORA_ORDER));
        return { ...server, url, answeredMs: round(performance.now() - server.begin, 1) };
      } catch (error) {
        if (error.code !== 'ECONNREFUSED') throw error;
        if (performance.now() - server.begin > START_TIMEOUT_MS) throw new Error('it did not get ready');
      }
      await sleep(LOOK_EVERY_MS);
    }
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, HOST, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
