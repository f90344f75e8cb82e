// The machine's clock goes back by an hour: under a running process, and while none runs.

import { fileURLToPath } from 'node:url';
import { account, order, until } from './scene.mjs';

const HOUR_MS = 3_600_000;
const nodeArgs = ['--import', fileURLToPath(new URL('./shifted-clock.mjs', import.meta.url))];
const shifted = (ms) => ({ nodeArgs, env: { CRASH_CLOCK_SHIFT_MS: String(ms) } });

async function begun(scene, dataDir) {
  const server = await scene.start(dataDir, shifted(0));
  await account(server, 'real', { clock: 'real', speed: 240 });
  const tasks = [];
  for (const family of ['sora-2', 'veo-3', 'sora-2-tvc', 'nano-banana-pro'])
    tasks.push(await order(server, 'real', family));
  return { server, ids: tasks.flatMap(({ ids }) => ids) };
}

const nowOf = async ({ client }) => Date.parse((await client.call('GET', '/__admin/accounts/real')).clock.now);

/** All that was under way ends in its time, and nothing happened before what came first. */
async function goesOn(scene, server, ids, beforeMs) {
  const { check } = scene;
  const nowMs = await nowOf(server);
  check(nowMs >= beforeMs, `the account's time went back by ${beforeMs - nowMs} ms`);
  const id = ids.at(-1);
  const byHand = await server.client.send('end', 'POST', `/__admin/accounts/real/tasks/${id}/complete`, {
    body: {},
  });
  check([200, 409].includes(byHand.status), `to end a task by hand was answered ${byHand.status} ${byHand.text}`);
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
      `task ${id} was made at ${createdAt} and ended at ${finishedAt}`,
    );
    check(simulatedMs === null || simulatedMs >= 0, `task ${id} took ${simulatedMs} ms`);
  }
  const { entries } = await server.client.call('GET', '/__admin/accounts/real/ledger?limit=1000');
  const moments = entries.map(({ at }) => at);
  check(moments.join() === [...moments].sort().join(), 'the entries are not in the order of their time');
  await scene.verified(server, 'real');
}

async function whileItRuns(scene) {
  const dataDir = scene.dir();
  const { server, ids } = await begun(scene, dataDir);
  const beforeMs = await nowOf(server);
  // See the preloaded file: it takes an hour from the clock.
  server.child.kill('SIGUSR2');
  await goesOn(scene, server, ids, beforeMs);
  await server.killed();
  scene.rows(dataDir);
}

async function betweenStarts(scene) {
  const dataDir = scene.dir();
  const { server, ids } = await begun(scene, dataDir);
  await until(async () => {
    const { tasks } = await server.client.call('GET', '/__admin/accounts/real/tasks?status=completed');
    return tasks.length > 0;
  });
  const { entries } = await server.client.call('GET', '/__admin/accounts/real/ledger?limit=1000');
  await server.killed();
  const again = await scene.start(dataDir, shifted(-HOUR_MS));
  scene.check(
    again.lines.some(({ level, msg }) => level === 40 && /clock/.test(msg)),
    'the log does not say that the clock is behind the data',
  );
  await goesOn(scene, again, ids, Date.parse(entries.at(-1).at));
  await again.killed();
  scene.rows(dataDir);

  // With the clock right again, time goes on from where it was.
  const right = await scene.start(dataDir, shifted(0));
  scene.check((await order(right, 'real')).status === 200, 'an order failed with the clock right again');
  await scene.verified(right, 'real');
  await right.killed();
}

export const scenes = [
  { name: 'a clock that jumps back while it runs', run: whileItRuns },
  { name: 'a clock that is behind at the start', run: betweenStarts },
];
