// Where it cannot start, it says why in a sentence; where another one runs, that one is left alone.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { spawnServer, tempDir } from '../server.mjs';
import { account, order, Skipped } from './scene.mjs';
import { mounted } from './writes-fail.mjs';

const NOBODY = 65_534;

async function secondProcess(scene) {
  const dataDir = scene.dir();
  const first = await scene.start(dataDir);
  await account(first, 'one');
  const answers = [];
  let isOver = false;
  const load = (async () => {
    while (!isOver) answers.push(await order(first, 'one'));
  })();
  const second = spawnServer(['--data-dir', dataDir]);
  await second.settled;
  isOver = true;
  await load;
  scene.refused(second, /is in use by another emulator; stop it or choose another data directory/);
  scene.check(answers.length > 20, `only ${answers.length} orders were answered meanwhile`);
  scene.check(
    answers.every(({ status }) => status === 200),
    'the first one suffered',
  );
  await first.killed();
  // A kill gives the file free at once.
  const third = await scene.start(dataDir);
  const { tasks } = await third.client.call('GET', '/__admin/accounts/one/tasks?limit=1000');
  scene.check(
    tasks.map(({ id }) => id).join() ===
      answers
        .flatMap(({ ids }) => ids)
        .slice(0, 1000)
        .join(),
    'the third one has other tasks',
  );
  await scene.verified(third, 'one');
  await third.killed();
}

/** With a past that has to be taken up, and without. */
async function readOnly(scene) {
  const disk = mounted('-t', 'tmpfs', '-o', 'size=16m', 'tmpfs');
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
  scene.check((await order(again, 'one')).status === 200, 'an order failed when it could be written again');
  await again.killed();
}

async function withoutRights(scene) {
  const isRoot = process.getuid?.() === 0;
  if (process.getuid === undefined) throw new Skipped('there are no users here');
  const parent = tempDir('closed');
  const dataDir = join(parent, 'data');
  mkdirSync(dataDir);
  chmodSync(parent, 0o755);
  chmodSync(dataDir, 0o555);
  const refused = spawnServer(['--data-dir', dataDir], isRoot ? { uid: NOBODY } : {});
  await refused.settled;
  if (isRoot && /EACCES|Cannot find module/.test(refused.stderr))
    throw new Skipped('another user cannot read the program here');
  scene.refused(refused, /cannot be (opened|written); choose/);
  await refused.killed();
  chmodSync(dataDir, 0o755);
}

export const scenes = [
  { name: 'a second process on the directory', run: secondProcess },
  { name: 'a directory that is mounted read-only', run: readOnly },
  { name: 'a directory without the right to write', run: withoutRights },
];
