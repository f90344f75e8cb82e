// Compares the emulator with other mock servers: the same two requests, the same load tool, in the same rounds. npm
// installs the servers into a temporary directory. One that cannot be installed or does not work is reported and left
// out.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { round, roundToTenth } from '../report/stats.mjs';
import { measureRounds } from '../support/measure.mjs';
import { residentMib } from '../support/proc-stats.mjs';
import { here, post, spawnServer, tempDir } from '../support/process-runner.mjs';
import { CHECK_STATUS, GENERATE, SORA_ORDER } from '../support/requests.mjs';
import { HEADERS } from '../support/tasks.mjs';
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
/** The requests that these servers receive, and the fields of their responses. */
const CONSTANT = {
  submit: { path: GENERATE, body: JSON.stringify(SORA_ORDER), expected: { success: true, taskId: '*' } },
  poll: () => ({
    path: CHECK_STATUS,
    body: JSON.stringify({ taskId: TASK_ID }),
    expected: { success: true, status: ['processing', 'completed'], taskId: '*' },
  }),
};

const ARK_TASKS = '/api/v3/contents/generations/tasks';
const ARK_ORDER = { model: 'seedance-1-5-pro', content: [{ type: 'text', text: SORA_ORDER.prompt }] };

const PAYMENTS = '/v1/payment_intents';
/** emulate allows 5,000 requests per hour and key, so the requests come from this many keys. */
const STRIPE_KEYS = 200;
/** The same request once per key. */
const withKeys = (call) =>
  Array.from({ length: STRIPE_KEYS }, (_, number) => ({
    ...{ headers: { ...HEADERS, authorization: `Bearer sk_test_${number}` } },
    ...call,
  }));
const PAYMENT = JSON.stringify({ amount: 400, currency: 'usd' });
const UNPAID = { id: '*', status: 'requires_payment_method' };

const aimockArgs = (dir, port) => [here('servers/peer-aimock.mjs'), dir, String(port), JSON.stringify(RESPONSES)];

/**
 * `args`: the arguments of node when the package is installed in `dir`. `submit`: the request that creates an object;
 * `poll`: the one that reads it, given the response to a submit.
 */
const PEERS = [
  {
    name: 'Prism',
    package: '@stoplight/prism-cli',
    how: 'static: the examples of docs/openapi.json',
    ...CONSTANT,
    args: (dir, port) => [
      join(dir, 'node_modules/@stoplight/prism-cli/dist/index.js'),
      ...['mock', here('../docs/openapi.json'), `--port=${port}`, `--host=${HOST}`],
    ],
  },
  {
    name: 'Mockoon',
    package: '@mockoon/cli',
    how: 'static: two routes with constant bodies',
    ...CONSTANT,
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
    name: 'aimock, static',
    package: '@copilotkit/aimock',
    how: 'static: a mounted handler with constant bodies',
    ...CONSTANT,
    args: aimockArgs,
  },
  {
    name: 'aimock, jobs',
    package: '@copilotkit/aimock',
    how: 'state: its video jobs (BytePlus Ark), at most 10,000 in memory',
    submit: { path: ARK_TASKS, body: JSON.stringify(ARK_ORDER), expected: { id: '*' } },
    poll: ({ id }) => ({ method: 'GET', path: `${ARK_TASKS}/${id}`, expected: { id, status: ['queued', 'running'] } }),
    args: aimockArgs,
  },
  {
    name: 'emulate',
    // Version 1 of the package is an unrelated library.
    package: 'emulate@0',
    how: 'state: its payment intents (Stripe), in memory',
    submit: {
      ...{ path: PAYMENTS, body: PAYMENT, expected: UNPAID },
      requests: withKeys({ method: 'POST', path: PAYMENTS, body: PAYMENT }),
    },
    poll: ({ id }) => ({
      ...{ path: '', expected: { ...UNPAID, id } },
      requests: withKeys({ method: 'GET', path: `${PAYMENTS}/${id}` }),
    }),
    args: (dir, port) => [here('servers/peer-emulate.mjs'), dir, String(port)],
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
    bare: { how: 'constant JSON', args: (port) => [...bare, String(port)], submit: CONSTANT.submit },
    emulator: {
      how: 'state: all features, in memory',
      args: (port) => [...emulator, `--port=${port}`],
      submit: CONSTANT.submit,
    },
  };
  const missing = [];
  const leaveOut = (name, version, error) => {
    const reason = error.message.split('\n')[0].replace(/; its output:$/, '');
    log(`${name} is left out: ${reason}`);
    missing.push({ name, version, reason });
    delete all[name];
  };
  for (const { package: spec, args, ...peer } of PEERS) {
    log(`peers: installing ${spec} for ${peer.name}`);
    try {
      const { dir, version } = await install(spec);
      all[peer.name] = { ...peer, version, args: (port) => args(dir, port) };
    } catch (error) {
      leaveOut(peer.name, undefined, error);
    }
  }

  const servers = {};
  for (const [name, { args, version, submit }] of Object.entries(all)) {
    try {
      const starts = [];
      // The first start fills the file cache and is not counted.
      for (let number = 0; number <= settings.longRounds; number++) {
        await servers[name]?.stop();
        servers[name] = await startUntilResponding(args, submit);
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
  const rounds = { ...run, settings: { ...settings, rounds: settings.peerRounds } };
  const measure = (name, targets) => measureRounds({ name: `peers ${name}`, calls, targets, onDropped }, rounds);
  const { bare: bareServer, emulator: ours, ...peers } = servers;
  const targetsOf = (figure) =>
    Object.fromEntries(
      Object.entries(peers)
        .filter(([name]) => servers[name])
        .map(([name, server]) => [name, { server, ...figure(all[name], server) }]),
    );
  const poll32 = await measure('poll32', {
    ...(await pollTargets({ bare: bareServer, emulator: ours })),
    ...targetsOf(({ poll }, { first }) => poll(first)),
  });
  const paid = await countPaid({ emulator: ours });
  const generate32 = await measure('generate32', {
    ...generateTargets({ bare: bareServer, emulator: ours }),
    ...targetsOf(({ submit }) => submit),
  });
  await paid.check(generate32);
  for (const server of Object.values(servers)) await server.stop();
  const kinds = Object.entries(all).map(([name, { how, version, starts }]) => ({ name, how, version, starts }));
  return { kinds, missing, poll32, generate32 };
}

const installations = new Map();
/** Installs a package once, however many peers it has. */
function install(spec) {
  if (!installations.has(spec))
    installations.set(spec, installInto(join(tempDir, 'peers', String(installations.size)), spec));
  return installations.get(spec);
}

/** Each package gets its own directory, so that a failed installation does not affect the others. */
async function installInto(dir, spec) {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', spec];
  try {
    await promisify(execFile)('npm', args, { cwd: dir, timeout: INSTALL_TIMEOUT_MS });
  } catch (error) {
    // npm's full message contains hosts and paths, which do not belong in a report.
    const code = /^npm error code (\S+)/m.exec(error.stderr ?? '')?.[1];
    throw new Error(code ? `npm could not install it (${code})` : 'npm could not install it');
  }
  const id = spec.replace(/(?<=.)@.*/, '');
  const { version } = JSON.parse(readFileSync(join(dir, 'node_modules', id, 'package.json'), 'utf8'));
  return { dir, version };
}

/** Some servers do not announce that they are ready, so all are polled until they respond. */
async function startUntilResponding(argsFor, { path, body }) {
  const port = await freePort();
  const args = argsFor(port);
  const server = spawnServer(args, { cwd: tempDir, stderr: 'log' });
  const url = `http://${HOST}:${port}`;
  try {
    for (;;) {
      server.checkAlive();
      try {
        const first = await post(url + path, HEADERS, body);
        return { ...server, url, first, firstResponseMs: round(performance.now() - server.startedMs, 1) };
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
