// The database file is damaged: detected at the start, detected while running, or detected only by SQLite.
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
const databaseFile = (dataDir) => join(dataDir, 'emulator.sqlite');
const GARBAGE = Buffer.alloc(PAGE_BYTES, 'this was a page once. ');

/** A data directory with history: stopped gracefully (everything in one file), or killed (recent part in the log). */
async function createHistory(scene, { isKilled = false } = {}) {
  const dataDir = scene.dir();
  const server = await scene.start(dataDir);
  for (const key of ['one', 'two']) await account(server, key);
  for (let count = 0; count < ORDERS; count += 8)
    await Promise.all(Array.from({ length: 8 }, (_, index) => order(server, index % 2 ? 'one' : 'two', 'veo-3')));
  const ledgers = {};
  for (const key of ['one', 'two'])
    ledgers[key] = await server.client.call('GET', `/__admin/accounts/${key}/ledger?limit=1000`);
  await (isKilled ? server.killed() : server.stopped());
  return { dataDir, ledgers };
}

function overwrite(file, at, bytes) {
  const handle = openSync(file, 'r+');
  writeSync(handle, bytes, 0, bytes.length, at);
  closeSync(handle);
}

const trySpawn = async (dataDir) => {
  const server = spawnServer(['--data-dir', dataDir]);
  await server.settled;
  return server;
};

async function header(scene) {
  const { dataDir } = await createHistory(scene);
  overwrite(databaseFile(dataDir), 0, GARBAGE.subarray(0, 100));
  const before = readFileSync(databaseFile(dataDir));
  const server = await trySpawn(dataDir);
  scene.refused(server, /is not an SQLite database; move it away or choose another data directory/);
  await server.killed();
  scene.check(readFileSync(databaseFile(dataDir)).equals(before), 'a file that was refused has been changed');
}

/** Damages every page but the first, so that the start must read a damaged page. */
async function pages(scene) {
  const { dataDir } = await createHistory(scene);
  const file = databaseFile(dataDir);
  const { size } = statSync(file);
  for (let at = PAGE_BYTES; at < size; at += PAGE_BYTES) overwrite(file, at, GARBAGE);
  const server = await trySpawn(dataDir);
  scene.refused(server, /is damaged; restore a copy or choose another data directory/);
  await server.killed();
}

async function truncated(scene) {
  const { dataDir } = await createHistory(scene);
  const file = databaseFile(dataDir);
  truncateSync(file, PAGE_BYTES * 3 + 100);
  const server = await trySpawn(dataDir);
  scene.refused(server, /is damaged; restore a copy or choose another data directory/);
  await server.killed();
}

/** Overwrites half of the pages under a running process that has not read them yet. */
async function running(scene) {
  const { check } = scene;
  const { dataDir, ledgers } = await createHistory(scene);
  const file = databaseFile(dataDir);
  const kept = `${file}.kept`;
  copyFileSync(file, kept);
  const { size } = statSync(file);
  const server = await scene.start(dataDir);
  for (let at = Math.floor(size / PAGE_BYTES / 2) * PAGE_BYTES; at < size; at += PAGE_BYTES)
    overwrite(file, at, GARBAGE);

  const read = (path) => server.client.send('read', 'GET', path);
  const failed = [];
  for (const key of ['one', 'two']) {
    for (const list of ['tasks', 'ledger']) {
      const response = await read(`/__admin/accounts/${key}/${list}?limit=1000`);
      if (response.status !== 200) failed.push(response);
    }
  }
  check(failed.length > 0, 'no list read a damaged page');
  for (const response of failed) scene.adminError(response, 'a list');
  const refused = [];
  for (let count = 0; count < 40; count++) refused.push(await order(server, count % 2 ? 'one' : 'two'));
  for (const response of refused.filter(({ status }) => status !== 200)) scene.vendorError(response, 'an order');
  for (const path of ['/health', '/ready', '/__admin/accounts/np_test_default']) {
    const { status } = await read(path);
    check(status === 200, `${path} returned ${status}`);
  }
  scene.logged(server, /^SQLITE_(CORRUPT|IOERR|NOTADB)/);
  await server.killed();

  // Restoring a copy of the file repairs everything.
  copyFileSync(kept, file);
  writeFileSync(`${file}-wal`, '');
  const again = await scene.start(dataDir);
  await scene.verified(again, 'one', 'two');
  for (const key of ['one', 'two']) {
    const { balance } = await again.client.call('GET', `/__admin/accounts/${key}/ledger`);
    check(balance === ledgers[key].balance, `${key} has ${balance} credits instead of ${ledgers[key].balance}`);
  }
  await again.killed();
}

/**
 * SQLite replays its log up to the first frame with a wrong checksum. The end of the history is lost, and what remains
 * is consistent.
 */
const damagedLog = (damage) => async (scene) => {
  const { check } = scene;
  const { dataDir, ledgers } = await createHistory(scene, { isKilled: true });
  const wal = `${databaseFile(dataDir)}-wal`;
  damage(wal, liveBytes(wal));
  const server = await scene.start(dataDir);
  let isShorter = false;
  for (const key of ['one', 'two']) {
    const response = await server.client.send('read', 'GET', `/__admin/accounts/${key}/ledger?limit=1000`);
    if (response.status === 404) {
      isShorter = true;
      continue;
    }
    const found = JSON.parse(response.text).entries;
    isShorter ||= found.length < ledgers[key].entries.length;
    const before = ledgers[key].entries.slice(0, found.length);
    check(JSON.stringify(found) === JSON.stringify(before), `${key}: its history is not a prefix of the original`);
    await scene.verified(server, key);
  }
  check(isShorter, 'nothing was lost, so the log was not damaged');
  await account(server, 'new');
  const { status } = await order(server, 'new');
  check(status === 200, `an order returned ${status}`);
  await server.killed();
  scene.rows(dataDir);
};

export const scenes = [
  { name: 'the file header is garbage', run: header },
  { name: 'the file pages are garbage', run: pages },
  { name: 'the file is truncated', run: truncated },
  { name: 'pages become garbage while the emulator runs', run: running },
  {
    name: 'a frame of the write-ahead log is damaged',
    run: damagedLog((wal, size) => overwrite(wal, Math.floor(size * 0.6), Buffer.from('?????'))),
  },
  {
    name: 'the header of the write-ahead log is damaged',
    run: damagedLog((wal) => overwrite(wal, 8, Buffer.from('????'))),
  },
  {
    name: 'the write-ahead log is truncated',
    run: damagedLog((wal, size) => truncateSync(wal, Math.floor(size / 2))),
  },
];
