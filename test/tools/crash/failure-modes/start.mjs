// The emulator cannot start: it says why in one sentence, and leaves a running emulator alone.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { spawnServer, tempDir } from '../server.mjs';
import { account, order, Skipped } from './scene.mjs';
import { mountDisk } from './writes-fail.mjs';

const NOBODY = 65_534;

async function secondProcess(scene) {
  const dataDir = scene.dir();
  const first = await scene.start(dataDir);
  await account(first, 'one');
  const responses = [];
  let isOver = false;
  const load = (async () => {
    while (!isOver) responses.push(await order(first, 'one'));
  })();
  const second = spawnServer(['--data-dir', dataDir]);
  await second.settled;
  isOver = true;
  await load;
  scene.refused(second, /is in use by another emulator; stop it or choose another data directory/);
  scene.check(responses.length > 20, `only ${responses.length} orders got a response meanwhile`);
  scene.check(
    responses.every(({ status }) => status === 200),
    'orders to the first process failed',
  );
  await first.killed();
  // A kill releases the file at once.
  const third = await scene.start(dataDir);
  const { tasks } = await third.client.call('GET', '/__admin/accounts/one/tasks?limit=1000');
  scene.check(
    tasks.map(({ id }) => id).join() ===
      responses
        .flatMap(({ ids }) => ids)
        .slice(0, 1000)
        .join(),
    'the third process has other tasks',
  );
  await scene.verified(third, 'one');
  await third.killed();
}

/** With an existing database, and with a new one. */
async function readOnly(scene) {
  const disk = mountDisk('-t', 'tmpfs', '-o', 'size=16m', 'tmpfs');
  const dataDir = join(disk, 'data');
  const server = await scene.start(dataDir);
  await account(server, 'one');
  await order(server, 'one');
  await server.killed();
  execFileSync('mount', ['-o', 'remount,ro', disk]);
  for (const dir of [dataDir, join(disk, 'new')]) {
    const refused = spawnServer(['--data-dir', dir]);
    await refused.settled;
    scene.refused(refused, /is read-only; choose|cannot be opened; choose|you may write to/);
    await refused.killed();
  }
  execFileSync('mount', ['-o', 'remount,rw', disk]);
  const again = await scene.start(dataDir);
  await scene.verified(again, 'one');
  scene.check((await order(again, 'one')).status === 200, 'an order failed after the disk became writable again');
  await again.killed();
}

async function withoutPermission(scene) {
  const isRoot = process.getuid?.() === 0;
  if (process.getuid === undefined) throw new Skipped('this platform has no user ids');
  const parent = tempDir('closed');
  const dataDir = join(parent, 'data');
  mkdirSync(dataDir);
  chmodSync(parent, 0o755);
  chmodSync(dataDir, 0o555);
  const refused = spawnServer(['--data-dir', dataDir], isRoot ? { uid: NOBODY } : {});
  await refused.settled;
  if (isRoot && /EACCES|Cannot find module/.test(refused.stderr))
    throw new Skipped('another user cannot read the program on this machine');
  scene.refused(refused, /cannot be (opened|written); choose/);
  await refused.killed();
  chmodSync(dataDir, 0o755);
}

export const scenes = [
  { name: 'a second process on the same directory', run: secondProcess },
  { name: 'a directory mounted read-only', run: readOnly },
  { name: 'a directory without write permission', run: withoutPermission },
];
