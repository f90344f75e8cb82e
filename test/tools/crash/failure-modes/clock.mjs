// The machine's clock jumps back by an hour: under a running process, and between two runs.

import { fileURLToPath } from 'node:url';
import { account, order, until } from './scene.mjs';

const HOUR_MS = 3_600_000;
const nodeArgs = ['--import', fileURLToPath(new URL('./shifted-clock.mjs', import.meta.url))];
const shifted = (ms) => ({ nodeArgs, env: { CRASH_CLOCK_SHIFT_MS: String(ms) } });

async function startWithTasks(scene, dataDir) {
  const server = await scene.start(dataDir, shifted(0));
  await account(server, 'real', { clock: 'real', speed: 240 });
  const tasks = [];
  for (const family of ['sora-2', 'veo-3', 'sora-2-tvc', 'nano-banana-pro'])
    tasks.push(await order(server, 'real', family));
  return { server, ids: tasks.flatMap(({ ids }) => ids) };
}

const getAccountTime = async ({ client }) => Date.parse((await client.call('GET', '/__admin/accounts/real')).clock.now);

/** All running tasks end in time, and no timestamp is earlier than one recorded before. */
async function checkContinues(scene, server, ids, beforeMs) {
  const { check } = scene;
  const nowMs = await getAccountTime(server);
  check(nowMs >= beforeMs, `the account's clock went back by ${beforeMs - nowMs} ms`);
  const id = ids.at(-1);
  const completed = await server.client.send('end', 'POST', `/__admin/accounts/real/tasks/${id}/complete`, {
    body: {},
  });
  check([200, 409].includes(completed.status), `completing a task returned ${completed.status} ${completed.text}`);
  const later = await order(server, 'real');
  const all = [...ids, ...later.ids];
  let tasks = [];
  const haveEnded = await until(async () => {
    ({ tasks } = await server.client.call('GET', '/__admin/accounts/real/tasks?limit=1000'));
    return tasks.length === all.length && tasks.every(({ status }) => status === 'completed');
  }, 40_000);
  check(haveEnded, `${tasks.filter(({ status }) => status !== 'completed').length} of ${all.length} tasks do not end`);
  for (const { id, createdAt, finishedAt, simulatedMs } of tasks) {
    check(
      finishedAt === null || finishedAt >= createdAt,
      `task ${id} was created at ${createdAt} but ended at ${finishedAt}`,
    );
    check(simulatedMs === null || simulatedMs >= 0, `task ${id} took ${simulatedMs} ms`);
  }
  const { entries } = await server.client.call('GET', '/__admin/accounts/real/ledger?limit=1000');
  const timestamps = entries.map(({ at }) => at);
  check(timestamps.join() === [...timestamps].sort().join(), 'the ledger entries are not in chronological order');
  await scene.verified(server, 'real');
}

async function whileRunning(scene) {
  const dataDir = scene.dir();
  const { server, ids } = await startWithTasks(scene, dataDir);
  const beforeMs = await getAccountTime(server);
  // Handled by shifted-clock.mjs: sets the clock back by an hour.
  server.child.kill('SIGUSR2');
  await checkContinues(scene, server, ids, beforeMs);
  await server.killed();
  scene.rows(dataDir);
}

async function betweenStarts(scene) {
  const dataDir = scene.dir();
  const { server, ids } = await startWithTasks(scene, dataDir);
  await until(async () => {
    const { tasks } = await server.client.call('GET', '/__admin/accounts/real/tasks?status=completed');
    return tasks.length > 0;
  });
  const { entries } = await server.client.call('GET', '/__admin/accounts/real/ledger?limit=1000');
  await server.killed();
  const again = await scene.start(dataDir, shifted(-HOUR_MS));
  scene.check(
    again.lines.some(({ level, msg }) => level === 40 && /clock/.test(msg)),
    'the log does not warn that the clock is behind the data',
  );
  await checkContinues(scene, again, ids, Date.parse(entries.at(-1).at));
  await again.killed();
  scene.rows(dataDir);

  // Once the clock is right again, time continues from the last recorded time.
  const right = await scene.start(dataDir, shifted(0));
  scene.check((await order(right, 'real')).status === 200, 'an order failed after the clock was right again');
  await scene.verified(right, 'real');
  await right.killed();
}

export const scenes = [
  { name: 'the clock jumps back while the emulator runs', run: whileRunning },
  { name: 'the clock is behind the data at the start', run: betweenStarts },
];
