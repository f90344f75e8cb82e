// Nothing can be written any more while the emulator runs, and later it can again.
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmdirSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { json } from '../client.mjs';
import { atExit, spawnServer } from '../server.mjs';
import { account, order, Skipped, until } from './scene.mjs';

const DISK_BYTES = 6 * 1024 * 1024;
const MOST_ORDERS = 4000;
const AT_ONCE = 5;
const FEWEST_REFUSED = 25;
const QUIET_MS = 2500;

export function mounted(...options) {
  const dir = mkdtempSync(join(tmpdir(), 'nanophoto-disk-'));
  try {
    execFileSync('mount', [...options, dir], { stdio: 'ignore' });
  } catch {
    rmdirSync(dir);
    throw new Skipped('nothing can be mounted here');
  }
  atExit(() => {
    execFileSync('umount', ['--lazy', dir], { stdio: 'ignore' });
    rmdirSync(dir);
  });
  return dir;
}

function fullDisk() {
  const disk = mounted('-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs');
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

/** The same without rights: no file of the process may grow beyond a size. */
function fileSizeLimit(scene) {
  try {
    execFileSync('prlimit', ['--version'], { stdio: 'ignore' });
  } catch {
    throw new Skipped('there is no prlimit here');
  }
  const limit = (server, bytes) =>
    execFileSync('prlimit', ['--pid', String(server.child.pid), `--fsize=${bytes}:`], { stdio: 'ignore' });
  return {
    dataDir: scene.dir(),
    // Not one byte more, wherever in a file.
    begin: (server) => limit(server, 1),
    end: (server) => limit(server, 'unlimited'),
    code: /^SQLITE_(IOERR_WRITE|FULL)$/,
  };
}

/** As if the disk had been found faulty and been made read-only. */
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
    throw new Skipped('chattr cannot make files immutable here');
  }
  const end = atExit(() => set('-i'));
  return { dataDir, begin: () => set('+i'), end, code: /^SQLITE_(IOERR|READONLY)/ };
}

const KINDS = {
  'a full disk': fullDisk,
  'a limit on the size of files': fileSizeLimit,
  'files that become immutable': immutable,
};

export const scenes = Object.entries(KINDS).map(([name, kind]) => ({
  name,
  run: (scene) => play(scene, kind(scene)),
}));

async function play(scene, trouble) {
  const { check } = scene;
  const { dataDir } = trouble;
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
  // A text that is still on its way when the trouble begins, and has to be paid for in the midst of it.
  let hasBegun;
  const begun = new Promise((resolve) => {
    hasBegun = resolve;
  });
  const stream = order(server, 'streams', 'prompt-generator', { onHead: hasBegun });
  await begun;

  await trouble.begin(server);
  const refused = [];
  for (let count = 0; count < MOST_ORDERS && refused.length < FEWEST_REFUSED; count += AT_ONCE) {
    // Together, because those that are written together fail together.
    const families = ['sora-2', 'veo-3', 'sora-2', 'seedance-1-5-pro', 'prompt-generator'];
    for (const answer of await Promise.all(families.map((family) => order(server, 'full', family))))
      (answer.status === 200 ? orders : refused).push(answer);
  }
  check(refused.length >= FEWEST_REFUSED, `only ${refused.length} orders failed`);
  for (const answer of refused) scene.vendorError(answer, 'an order');
  const admin = (method, path, body) => server.client.send('admin', method, `/__admin${path}`, { body });
  scene.adminError(await admin('POST', '/accounts/full/credits', { amount: 5 }), 'a grant');
  scene.adminError(await admin('POST', '/accounts/full/snapshots', { name: 'one' }), 'a snapshot');
  scene.adminError(await admin('POST', '/accounts/full/reset', {}), 'a reset');
  scene.adminError(await admin('POST', '/accounts', { key: 'late' }), 'a new account');
  scene.adminError(await admin('DELETE', '/accounts/kept'), 'a removal');
  scene.vendorError(await order(server, 'rule'), 'an order that a rule waits for');
  // Who only reads is served.
  const { path, body } = { path: '/api/sora-2/check-status', body: { taskId: orders[0].ids[0] } };
  const poll = await server.client.send('poll', 'POST', path, { key: 'full', body });
  check(poll.status === 200, `a poll was answered ${poll.status} ${poll.text}`);
  for (const place of ['/health', '/ready', '/metrics', '/__admin/accounts/full/ledger']) {
    const { status } = await server.client.send('look', 'GET', place);
    check(status === 200, `${place} was answered ${status}`);
  }
  // What is due cannot be played; the worker says so, and not without end.
  const before = server.errors().length;
  await sleep(QUIET_MS);
  const perSecond = ((server.errors().length - before) * 1000) / QUIET_MS;
  check(perSecond <= 3, `the log has ${perSecond.toFixed(1)} errors a second while nothing is asked`);

  await trouble.end(server);
  const again = await order(server, 'full');
  check(again.status === 200, `after the trouble an order was answered ${again.status} ${again.text}`);
  orders.push(again);
  const hasEnded = await until(async () => {
    const { status } = await server.client.call('GET', `/__admin/accounts/runs/tasks/${running.ids[0]}`);
    return status === 'completed';
  });
  check(hasEnded, 'a task that fell due in the trouble has not ended after it');
  await stream;
  const isPaid = await until(async () => {
    const { tasks } = await server.client.call('GET', '/__admin/accounts/streams/tasks');
    return tasks.length === 1 && tasks[0].status !== 'processing';
  });
  check(isPaid, 'a text that came to its end in the trouble is neither paid nor refunded after it');
  const { rateLimit } = await server.client.call('GET', '/__admin/accounts/kept');
  check(rateLimit.remaining === 10, `a removal that failed left ${rateLimit.remaining} requests of 10`);
  const { faults } = await server.client.call('GET', '/__admin/accounts/rule/faults');
  check(faults[0]?.fired === 0, `a rule whose refusal nobody was told has fired ${faults[0]?.fired} times`);
  const struck = await order(server, 'rule');
  check(json(struck)?.errorCode === 'GENERATION_FAILED', `the rule then struck with ${struck.text}`);
  await scene.verified(server, 'full', 'runs', 'streams', 'rule', 'kept');
  scene.logged(server, trouble.code);

  await compare(scene, server, orders);
  await server.killed();
  const rows = scene.rows(dataDir);
  check(
    rows.get('full').tasks.filter(({ family }) => family !== 'prompt-generator').length === idsOf(orders).length,
    'the file has other tasks',
  );
  check(!rows.has('late'), 'an account that was refused is there');
  check(rows.get('rule').faults[0].fired === 1, 'the rule has not fired once in the file');

  if (trouble.startRefusal) {
    await trouble.begin();
    const refusedStart = spawnServer(['--data-dir', dataDir]);
    await refusedStart.settled;
    if (refusedStart.isDead) scene.refused(refusedStart, trouble.startRefusal);
    await refusedStart.killed();
    await trouble.end();
  }
  server = await scene.start(dataDir);
  await scene.verified(server, 'full', 'runs', 'streams', 'rule', 'kept');
  await compare(scene, server, orders);
  await server.killed();
}

const idsOf = (orders) => orders.flatMap(({ ids }) => ids ?? []);

/** All that was answered is there and paid for, and nothing else. */
async function compare({ check }, { client }, orders) {
  const { tasks } = await client.call('GET', '/__admin/accounts/full/tasks?limit=1000');
  const ids = idsOf(orders);
  const isText = ({ family }) => family === 'prompt-generator';
  const found = tasks.filter((task) => !isText(task)).map(({ id }) => id);
  check(ids.sort().join() === found.sort().join(), `${ids.length} tasks were answered, ${found.length} are there`);
  // A text that broke off in the trouble may have been paid for or not, but it is one of the two.
  const texts = tasks.filter(isText);
  const paid = texts.filter(({ status }) => status === 'completed').length;
  const whole = orders.filter((answer) => isText(answer) && answer.isWhole).length;
  check(paid >= whole, `of ${whole} texts that came whole ${paid} are paid`);
  check(
    texts.every(({ status }) => status !== 'processing'),
    'a text is neither paid nor refunded',
  );
  const spent = orders.reduce((sum, { price, ids = [] }) => sum + price * ids.length, 0) + paid * texts[0]?.price;
  const { credits } = await client.call('GET', '/__admin/accounts/full');
  check(credits === 100_000 - spent, `${credits} credits are left of 100000 after ${spent}`);
}
