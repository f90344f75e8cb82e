// Compares the emulator with other mock servers: the same two requests, the same load tool, in the same rounds. npm
// installs the servers into a temporary directory. One that cannot be installed or does not work is reported and left
// out.
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
import { round, roundToTenth } from './stats.mjs';
import { HEADERS } from './tasks.mjs';
import { countPaid, generateTargets, pollTargets } from './throughput.mjs';

const INSTALL_TIMEOUT_MS = 240_000;
const START_TIMEOUT_MS = 30_000;
const RETRY_INTERVAL_MS = 5;
const IDLE_MS = 1000;
const CONNECTIONS = 32;
const HOST = '127.0.0.1';

const TASK_ID = `task_${'0'.repeat(24)}`;
/** The constant responses, for servers that are configured with them. */
const RESPONSES = {
  [GENERATE]: {
    ...{ success: true, status: 'processing' },
    ...{ taskId: TASK_ID, message: 'Video generation in progress' },
  },
  [CHECK_STATUS]: {
    ...{ success: true, status: 'processing', progress: 'generating' },
    ...{ message: 'Video generation generating', taskId: TASK_ID },
  },
};

/** `args`: the arguments of node when the package is installed in `dir`. */
const PEERS = [
  {
    name: 'Prism',
    package: '@stoplight/prism-cli',
    how: 'the examples of docs/openapi.json',
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
    args: (dir, port) => [here('peer-aimock.mjs'), dir, String(port), JSON.stringify(RESPONSES)],
  },
];

function mockoonData(port) {
  const uuid = (number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
  const routes = Object.entries(RESPONSES).map(([path, response], index) => ({
    uuid: uuid(index + 1),
    type: 'http',
    method: 'post',
    endpoint: path.slice(1),
    responses: [
      {
        uuid: uuid(index + 11),
        statusCode: 200,
        headers: [{ key: 'content-type', value: 'application/json' }],
        body: JSON.stringify(response),
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
  const { emulator, bare, settings, log } = run;
  const all = {
    bare: { how: 'constant JSON', args: (port) => [...bare, String(port)] },
    emulator: { how: 'all features, in memory', args: (port) => [...emulator, `--port=${port}`] },
  };
  const missing = [];
  const leaveOut = (name, version, error) => {
    const reason = error.message.split('\n')[0].replace(/; its output:$/, '');
    log(`${name} is left out: ${reason}`);
    missing.push({ name, version, reason });
    delete all[name];
  };
  for (const { name, package: id, how, args } of PEERS) {
    log(`peers: installing ${id}`);
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
      // The first start fills the file cache and is not counted.
      for (let number = 0; number <= settings.longRounds; number++) {
        await servers[name]?.stop();
        servers[name] = await startUntilResponding(args);
        const { firstResponseMs } = servers[name];
        await sleep(IDLE_MS);
        if (number > 0) starts.push({ firstResponseMs, idleMib: roundToTenth(residentMib(servers[name].pid)) });
      }
      all[name].starts = starts;
      log(`peers: ${name} responds after ${starts.map(({ firstResponseMs }) => firstResponseMs).join('  ')} ms`);
    } catch (error) {
      await servers[name]?.stop();
      delete servers[name];
      if (!version) throw error;
      leaveOut(name, version, error);
    }
  }

  const onDropped = async (name, error) => {
    await servers[name].stop();
    delete servers[name];
    leaveOut(name, all[name].version, error);
  };
  const calls = { method: 'POST', headers: HEADERS, connections: CONNECTIONS };
  const measure = (name, targets) => measureRounds({ name: `peers ${name}`, calls, targets, onDropped }, run);
  const { bare: bareServer, emulator: ours, ...peers } = servers;
  const poll32 = await measure('poll32', {
    ...(await pollTargets({ bare: bareServer, emulator: ours })),
    ...constantTargets(peers, CHECK_STATUS, { taskId: TASK_ID }, ['processing', 'completed']),
  });
  const paid = await countPaid({ emulator: ours });
  const remaining = Object.fromEntries(Object.entries(peers).filter(([name]) => servers[name]));
  const generate32 = await measure('generate32', {
    ...generateTargets({ bare: bareServer, emulator: ours }),
    ...constantTargets(remaining, GENERATE, SORA_ORDER, 'processing'),
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

function constantTargets(servers, path, order, status) {
  const expected = { success: true, status, taskId: '*' };
  const body = JSON.stringify(order);
  return Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, { server, path, body, expected }]));
}

/** Each package gets its own directory, so that a failed installation does not affect the others. */
async function install(name, id) {
  const dir = join(tempDir, 'peers', name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', id];
  try {
    await promisify(execFile)('npm', args, { cwd: dir, timeout: INSTALL_TIMEOUT_MS });
  } catch (error) {
    // npm's full message contains hosts and paths, which do not belong in a report.
    const code = /^npm error code (\S+)/m.exec(error.stderr ?? '')?.[1];
    throw new Error(code ? `npm could not install it (${code})` : 'npm could not install it');
  }
  const { version } = JSON.parse(readFileSync(join(dir, 'node_modules', id, 'package.json'), 'utf8'));
  return { dir, version };
}

/** Some servers do not announce that they are ready, so all are polled until they respond. */
async function startUntilResponding(argsFor) {
  const port = await freePort();
  const args = argsFor(port);
  const server = spawnServer(args, { cwd: tempDir, stderr: 'log' });
  const url = `http://${HOST}:${port}`;
  try {
    for (;;) {
      server.checkAlive();
      try {
        await post(url + GENERATE, HEADERS, JSON.stringify(SORA_ORDER));
        return { ...server, url, firstResponseMs: round(performance.now() - server.startedMs, 1) };
      } catch (error) {
        if (error.code !== 'ECONNREFUSED') throw error;
        if (performance.now() - server.startedMs > START_TIMEOUT_MS) throw new Error('it did not become ready');
      }
      await sleep(RETRY_INTERVAL_MS);
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
