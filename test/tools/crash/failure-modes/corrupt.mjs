// The file is not what it was: found at the start, found while running, found by SQLite alone.
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { liveBytes } from '../rows.mjs';
import { spawnServer } from '../server.mjs';
import { account, order } from './scene.mjs';

const PAGE_BYTES = 4096;
const ORDERS = 240;
const fileOf = (dataDir) => join(dataDir, 'emulator.sqlite');
const GARBAGE = Buffer.alloc(PAGE_BYTES, 'this was a page once. ');

/** A data directory with a history, left in good order (all in the one file) or by a kill (the rest in its log). */
async function past(scene, { isKilled = false } = {}) {
  const dataDir = scene.dir();
  const server = await scene.start(dataDir);
  for (const key of ['one', 'two']) await account(server, key);
  for (let count = 0; count < ORDERS; count += 8)
    await Promise.all(Array.from({ length: 8 }, (_, index) => order(server, index % 2 ? 'one' : 'two', 'veo-3')));
  const answers = {};
  for (const key of ['one', 'two'])
    answers[key] = await server.client.call('GET', `/__admin/accounts/${key}/ledger?limit=1000`);
  await (isKilled ? server.killed() : server.stopped());
  return { dataDir, answers };
}

function overwrite(file, at, bytes) {
  const handle = openSync(file, 'r+');
  writeSync(handle, bytes, 0, bytes.length, at);
  closeSync(handle);
}

const settled = async (dataDir) => {
  const server = spawnServer(['--data-dir', dataDir]);
  await server.settled;
  return server;
};

async function header(scene) {
  const { dataDir } = await past(scene);
  overwrite(fileOf(dataDir), 0, GARBAGE.subarray(0, 100));
  const before = readFileSync(fileOf(dataDir));
  const server = await settled(dataDir);
  scene.refused(server, /is no SQLite database; move it away or choose another data directory/);
  await server.killed();
  scene.check(readFileSync(fileOf(dataDir)).equals(before), 'what was refused was written to');
}

/** Every page but the first, so that the start cannot but meet it. */
async function pages(scene) {
  const { dataDir } = await past(scene);
  const file = fileOf(dataDir);
  const { size } = statSync(file);
  for (let at = PAGE_BYTES; at < size; at += PAGE_BYTES) overwrite(file, at, GARBAGE);
  const server = await settled(dataDir);
  scene.refused(server, /is damaged; restore a copy or choose another data directory/);
  await server.killed();
}

async function truncated(scene) {
  const { dataDir } = await past(scene);
  const file = fileOf(dataDir);
  truncateSync(file, PAGE_BYTES * 3 + 100);
  const server = await settled(dataDir);
  scene.refused(server, /is damaged; restore a copy or choose another data directory/);
  await server.killed();
}

/** Half of the pages become garbage under a running process that has not read them yet. */
async function running(scene) {
  const { check } = scene;
  const { dataDir, answers } = await past(scene);
  const file = fileOf(dataDir);
  const kept = `${file}.kept`;
  copyFileSync(file, kept);
  const { size } = statSync(file);
  const server = await scene.start(dataDir);
  for (let at = Math.floor(size / PAGE_BYTES / 2) * PAGE_BYTES; at < size; at += PAGE_BYTES)
    overwrite(file, at, GARBAGE);

  const look = (path) => server.client.send('look', 'GET', path);
  const failed = [];
  for (const key of ['one', 'two']) {
    for (const list of ['tasks', 'ledger']) {
      const answer = await look(`/__admin/accounts/${key}/${list}?limit=1000`);
      if (answer.status !== 200) failed.push(answer);
    }
  }
  check(failed.length > 0, 'no list met a damaged page');
  for (const answer of failed) scene.adminError(answer, 'a list');
  const refused = [];
  for (let count = 0; count < 40; count++) refused.push(await order(server, count % 2 ? 'one' : 'two'));
  for (const answer of refused.filter(({ status }) => status !== 200)) scene.vendorError(answer, 'an order');
  for (const path of ['/health', '/ready', '/__admin/accounts/np_test_default']) {
    const { status } = await look(path);
    check(status === 200, `${path} was answered ${status}`);
  }
  scene.logged(server, /^SQLITE_(CORRUPT|IOERR|NOTADB)/);
  await server.killed();

  // A copy put back is all that is needed.
  copyFileSync(kept, file);
  writeFileSync(`${file}-wal`, '');
  const again = await scene.start(dataDir);
  await scene.verified(again, 'one', 'two');
  for (const key of ['one', 'two']) {
    const { balance } = await again.client.call('GET', `/__admin/accounts/${key}/ledger`);
    check(balance === answers[key].balance, `${key} has ${balance} credits of ${answers[key].balance}`);
  }
  await again.killed();
}

/**
 * SQLite takes up its log to the first frame whose sum is wrong, and nothing behind it: what is lost is the end of the
 * history, and what is there is sound.
 */
const log = (damage) => async (scene) => {
  const { check } = scene;
  const { dataDir, answers } = await past(scene, { isKilled: true });
  const wal = `${fileOf(dataDir)}-wal`;
  damage(wal, liveBytes(wal));
  const server = await scene.start(dataDir);
  let isShorter = false;
  for (const key of ['one', 'two']) {
    const answer = await server.client.send('look', 'GET', `/__admin/accounts/${key}/ledger?limit=1000`);
    if (answer.status === 404) {
      isShorter = true;
      continue;
    }
    const found = JSON.parse(answer.text).entries;
    isShorter ||= found.length < answers[key].entries.length;
    const before = answers[key].entries.slice(0, found.length);
    check(JSON.stringify(found) === JSON.stringify(before), `${key} has another history, not the beginning of its own`);
    await scene.verified(server, key);
  }
  check(isShorter, 'nothing was lost, so nothing was damaged');
  await account(server, 'new');
  const { status } = await order(server, 'new');
  check(status === 200, `an order was answered ${status}`);
  await server.killed();
  scene.rows(dataDir);
};

export const scenes = [
  { name: 'a file whose header is garbage', run: header },
  { name: 'a file whose pages are garbage', run: pages },
  { name: 'a file that is cut off', run: truncated },
  { name: 'pages that become garbage while it runs', run: running },
  {
    name: 'a log with a damaged frame',
    run: log((wal, size) => overwrite(wal, Math.floor(size * 0.6), Buffer.from('?????'))),
  },
  { name: 'a log with a damaged header', run: log((wal) => overwrite(wal, 8, Buffer.from('????'))) },
  { name: 'a log that is cut off', run: log((wal, size) => truncateSync(wal, Math.floor(size / 2))) },
];
