// Writes fail while the emulator runs, and later succeed again.
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmdirSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { json } from '../client.mjs';
import { atExit, spawnServer } from '../server.mjs';
import { account, order, Skipped, until } from './scene.mjs';

const DISK_BYTES = 6 * 1024 * 1024;
const MAX_ORDERS = 4000;
const CONCURRENT_ORDERS = 5;
const MIN_REFUSED = 25;
const QUIET_MS = 2500;

export function mountDisk(...options) {
  const dir = mkdtempSync(join(tmpdir(), 'nanophoto-disk-'));
  try {
    execFileSync('mount', [...options, dir], { stdio: 'ignore' });
  } catch {
    rmdirSync(dir);
    throw new Skipped('file systems cannot be mounted on this machine');
  }
  atExit(() => {
    execFileSync('umount', ['--lazy', dir], { stdio: 'ignore' });
    rmdirSync(dir);
  });
  return dir;
}

function fullDisk() {
  const disk = mountDisk('-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs');
  const ballast = join(disk, 'ballast');
  return {
    dataDir: join(disk, 'data'),
    begin() {
      const file = openSync(ballast, 'w');
      for (const size of [65_536, 4096]) {
        try {
          for (;;) writeSync(file, Buffer.alloc(size));
        } catch (error) {
          if (error.code !== 'ENOSPC') throw error;
        }
      }
      closeSync(file);
    },
    end: () => unlinkSync(ballast),
    code: /^SQLITE_FULL$/,
    startRefusal: /No space is left for |see whether the disk is full/,
  };
}

/** A substitute for a full disk that needs no privileges: no file of the process may grow beyond a size. */
function fileSizeLimit(scene) {
  try {
    execFileSync('prlimit', ['--version'], { stdio: 'ignore' });
  } catch {
    throw new Skipped('prlimit is not available on this machine');
  }
  const limit = (server, bytes) =>
    execFileSync('prlimit', ['--pid', String(server.child.pid), `--fsize=${bytes}:`], { stdio: 'ignore' });
  return {
    dataDir: scene.dir(),
    // A limit of 1 byte makes every write fail, at any offset.
    begin: (server) => limit(server, 1),
    end: (server) => limit(server, 'unlimited'),
    code: /^SQLITE_(IOERR_WRITE|FULL)$/,
  };
}

/** Simulates a faulty disk that was remounted read-only. */
function immutable(scene) {
  const dataDir = scene.dir();
  const files = () => ['', '-wal'].map((suffix) => join(dataDir, `emulator.sqlite${suffix}`)).filter(existsSync);
  const set = (flag) => execFileSync('chattr', [flag, ...files()], { stdio: 'ignore' });
  mkdirSync(dataDir, { recursive: true });
  try {
    const probe = join(dataDir, 'emulator.sqlite-wal');
    closeSync(openSync(probe, 'w'));
    set('+i');
    set('-i');
    unlinkSync(probe);
  } catch {
    throw new Skipped('chattr cannot make files immutable on this machine');
  }
  const end = atExit(() => set('-i'));
  return { dataDir, begin: () => set('+i'), end, code: /^SQLITE_(IOERR|READONLY)/ };
}

const FAILURES = {
  'a full disk': fullDisk,
  'a file size limit': fileSizeLimit,
  'files that become immutable': immutable,
};

export const scenes = Object.entries(FAILURES).map(([name, create]) => ({
  name,
  run: (scene) => runScene(scene, create(scene)),
}));

async function runScene(scene, failure) {
  const { check } = scene;
  const { dataDir } = failure;
  let server = await scene.start(dataDir);
  await account(server, 'full');
  await account(server, 'runs', { clock: 'real', speed: 240 });
  await account(server, 'streams', { clock: 'real', speed: 30 });
  await account(server, 'rule');
  await account(server, 'kept');
  await server.client.call('PUT', '/__admin/accounts/kept/rate-limit', { limit: 50, remaining: 10 });
  const rule = { match: {}, at: 'charge', effect: { errorCode: 'GENERATION_FAILED' }, times: 1 };
  await server.client.call('POST', '/__admin/accounts/rule/faults', rule, 201);
  const orders = [
    await order(server, 'full'),
    await order(server, 'full', 'veo-3'),
    await order(server, 'full', 'prompt-generator'),
  ];
  const running = await order(server, 'runs');
  // A text stream that is in progress when writes begin to fail, and has to be charged while they do.
  let hasBegun;
  const begun = new Promise((resolve) => {
    hasBegun = resolve;
  });
  const stream = order(server, 'streams', 'prompt-generator', { onHead: hasBegun });
  await begun;

  await failure.begin(server);
  const refused = [];
  for (let count = 0; count < MAX_ORDERS && refused.length < MIN_REFUSED; count += CONCURRENT_ORDERS) {
    // Concurrent orders share a group commit and must fail with it.
    const families = ['sora-2', 'veo-3', 'sora-2', 'seedance-1-5-pro', 'prompt-generator'];
    for (const response of await Promise.all(families.map((family) => order(server, 'full', family))))
      (response.status === 200 ? orders : refused).push(response);
  }
  check(refused.length >= MIN_REFUSED, `only ${refused.length} orders failed`);
  for (const response of refused) scene.vendorError(response, 'an order');
  const admin = (method, path, body) => server.client.send('admin', method, `/__admin${path}`, { body });
  scene.adminError(await admin('POST', '/accounts/full/credits', { amount: 5 }), 'a grant');
  scene.adminError(await admin('POST', '/accounts/full/snapshots', { name: 'one' }), 'a snapshot');
  scene.adminError(await admin('POST', '/accounts/full/reset', {}), 'a reset');
  scene.adminError(await admin('POST', '/accounts', { key: 'late' }), 'a new account');
  scene.adminError(await admin('DELETE', '/accounts/kept'), 'a removal');
  scene.vendorError(await order(server, 'rule'), 'an order that matches a fault rule');
  // Reads still work.
  const { path, body } = { path: '/api/sora-2/check-status', body: { taskId: orders[0].ids[0] } };
  const poll = await server.client.send('poll', 'POST', path, { key: 'full', body });
  check(poll.status === 200, `a poll returned ${poll.status} ${poll.text}`);
  for (const url of ['/health', '/ready', '/metrics', '/__admin/accounts/full/ledger']) {
    const { status } = await server.client.send('read', 'GET', url);
    check(status === 200, `${url} returned ${status}`);
  }
  // The worker cannot apply due transitions. It logs that, at a limited rate.
  const before = server.errors().length;
  await sleep(QUIET_MS);
  const perSecond = ((server.errors().length - before) * 1000) / QUIET_MS;
  check(perSecond <= 3, `${perSecond.toFixed(1)} errors a second are logged without any request`);

  await failure.end(server);
  const again = await order(server, 'full');
  check(again.status === 200, `an order after the failure returned ${again.status} ${again.text}`);
  orders.push(again);
  const hasEnded = await until(async () => {
    const { status } = await server.client.call('GET', `/__admin/accounts/runs/tasks/${running.ids[0]}`);
    return status === 'completed';
  });
  check(hasEnded, 'a task that fell due during the failure has not ended after it');
  await stream;
  const isPaid = await until(async () => {
    const { tasks } = await server.client.call('GET', '/__admin/accounts/streams/tasks');
    return tasks.length === 1 && tasks[0].status !== 'processing';
  });
  check(isPaid, 'a text stream that ended during the failure is neither charged nor refunded after it');
  const { rateLimit } = await server.client.call('GET', '/__admin/accounts/kept');
  check(rateLimit.remaining === 10, `a failed removal left ${rateLimit.remaining} requests of 10`);
  const { faults } = await server.client.call('GET', '/__admin/accounts/rule/faults');
  check(faults[0]?.fired === 0, `a rule whose error was never sent has fired ${faults[0]?.fired} times`);
  const injected = await order(server, 'rule');
  check(json(injected)?.errorCode === 'GENERATION_FAILED', `the rule then returned ${injected.text}`);
  await scene.verified(server, 'full', 'runs', 'streams', 'rule', 'kept');
  scene.logged(server, failure.code);

  await compare(scene, server, orders);
  await server.killed();
  const rows = scene.rows(dataDir);
  check(
    rows.get('full').tasks.filter(({ family }) => family !== 'prompt-generator').length === taskIdsOf(orders).length,
    'the file has different tasks',
  );
  check(!rows.has('late'), 'an account whose creation failed exists');
  check(rows.get('rule').faults[0].fired === 1, 'the rule has not fired once in the file');

  if (failure.startRefusal) {
    await failure.begin();
    const refusedStart = spawnServer(['--data-dir', dataDir]);
    await refusedStart.settled;
    if (refusedStart.hasEnded) scene.refused(refusedStart, failure.startRefusal);
    await refusedStart.killed();
    await failure.end();
  }
  server = await scene.start(dataDir);
  await scene.verified(server, 'full', 'runs', 'streams', 'rule', 'kept');
  await compare(scene, server, orders);
  await server.killed();
}

const taskIdsOf = (orders) => orders.flatMap(({ ids }) => ids ?? []);

/** Checks that every confirmed order exists and was charged, and nothing else. */
async function compare({ check }, { client }, orders) {
  const { tasks } = await client.call('GET', '/__admin/accounts/full/tasks?limit=1000');
  const ids = taskIdsOf(orders);
  const isText = ({ family }) => family === 'prompt-generator';
  const found = tasks.filter((task) => !isText(task)).map(({ id }) => id);
  check(ids.sort().join() === found.sort().join(), `${ids.length} tasks were confirmed, ${found.length} exist`);
  // A text interrupted by the failure may have been captured or refunded, but not left open.
  const texts = tasks.filter(isText);
  const paid = texts.filter(({ status }) => status === 'completed').length;
  const complete = orders.filter((response) => isText(response) && response.isComplete).length;
  check(paid >= complete, `of ${complete} texts that arrived completely, ${paid} are charged`);
  check(
    texts.every(({ status }) => status !== 'processing'),
    'a text is neither charged nor refunded',
  );
  const spent = orders.reduce((sum, { price, ids = [] }) => sum + price * ids.length, 0) + paid * texts[0]?.price;
  const { credits } = await client.call('GET', '/__admin/accounts/full');
  check(credits === 100_000 - spent, `${credits} of 100000 credits are left after spending ${spent}`);
}
