// Whether an emulator with many tasks behind it is as fast as one that begins: both on a data directory, side by side.
import { join } from 'node:path';
import { measureRounds } from './measure.mjs';
import { fill, keyOf } from './preload.mjs';
import { get, post, startServer, tempDir } from './process-runner.mjs';
import { CHECK_STATUS, GENERATE, running, SORA_ORDER } from './requests.mjs';
import { measureStarts } from './starts.mjs';
import { rounded } from './stats.mjs';
import { addAccount, HEADERS, SLOW } from './tasks.mjs';
import { countPaid, generated, polled } from './throughput.mjs';

const TEMPLATE = 'np_test_template';
/** So many of the filled accounts have their ledgers proved. */
const SAMPLES = 25;
const CONNECTIONS = 32;
/** So many accounts poll in turn, so that not all that a poll needs is at hand since the last. */
const POLLING_ACCOUNTS = 200;
/** Two that are nearly the same need more rounds than two that differ by half. */
const TIMES_THE_ROUNDS = 2;
const JSON_TYPE = { 'content-type': 'application/json' };

export async function measureGrowth(run) {
  const { emulator, settings, say } = run;
  const dirs = { empty: join(tempDir, 'empty'), full: join(tempDir, 'full') };
  const on = (dir) => [...emulator, `--data-dir=${dir}`];
  const { tasks, accounts } = settings.growth;
  say(`growth: filling a database with ${tasks} tasks`);
  const filled = await fillDir(dirs.full, on(dirs.full), { perAccount: tasks / accounts, copies: accounts });
  say(`growth: ${filled.tasks} tasks of ${filled.accounts} accounts after ${filled.seconds} s`);

  const kinds = { empty: on(dirs.empty), full: on(dirs.full) };
  const start = await measureStarts(kinds, run);
  const servers = { empty: await startServer(kinds.empty), full: await startServer(kinds.full) };
  await checkSamples(servers.full.url, accounts, tasks / accounts);
  const measured = {};
  const longer = { ...run, settings: { ...settings, rounds: settings.rounds * TIMES_THE_ROUNDS } };
  const calls = { method: 'POST', headers: HEADERS, connections: CONNECTIONS };
  measured.poll32 = await measureRounds({ name: 'growth poll32', calls, on: await polled(servers) }, longer);
  measured.manyPoll32 = await measureRounds(
    { name: 'growth manyPoll32', calls, on: await polledInTurn(servers) },
    longer,
  );
  const paid = await countPaid(servers);
  measured.generate32 = await measureRounds({ name: 'growth generate32', calls, on: generated(servers) }, longer);
  await paid.check(measured.generate32);
  for (const server of Object.values(servers)) await server.stop();
  return { filled, start, ...measured };
}

/** The rows to copy are made by the emulator; the copies are made when it has stopped, for they would take it hours. */
async function fillDir(dataDir, args, { perAccount, copies }) {
  const begin = performance.now();
  const server = await startServer(args);
  const headers = await addAccount(server.url, TEMPLATE, 1);
  for (let number = 0; number < perAccount; number++) {
    const { taskId } = await post(server.url + GENERATE, headers, JSON.stringify(SORA_ORDER));
    await post(`${server.url}/__admin/accounts/${TEMPLATE}/tasks/${taskId}/complete`, JSON_TYPE, '{}');
  }
  await server.stop('SIGTERM');
  const found = fill({ dataDir, template: TEMPLATE, copies });
  if (found.tasks < perAccount * copies) throw new Error(`only ${found.tasks} tasks could be filled in`);
  return { ...found, seconds: rounded((performance.now() - begin) / 1000) };
}

/** As `polled`, but each request is another account's and asks for a task of that account. */
async function polledInTurn(servers) {
  const on = {};
  for (const [name, server] of Object.entries(servers)) {
    const requests = [];
    for (let number = 1; number <= POLLING_ACCOUNTS; number++) {
      const headers = await addAccount(server.url, `np_test_polling_${number}`, SLOW);
      const { taskId } = await post(server.url + GENERATE, headers, JSON.stringify(SORA_ORDER));
      requests.push({ method: 'POST', path: CHECK_STATUS, headers, body: JSON.stringify({ taskId }) });
    }
    on[name] = { server, path: '', requests, expected: running('*') };
  }
  return on;
}

/** @throws Error unless the emulator finds the filled accounts sound and whole */
async function checkSamples(url, accounts, perAccount) {
  for (let sample = 0; sample < SAMPLES; sample++) {
    const number = 1 + Math.floor(((accounts - 1) * sample) / (SAMPLES - 1));
    const account = `${url}/__admin/accounts/${keyOf(number)}`;
    const { ok, problems } = await get(`${account}/ledger/verify`);
    if (!ok) throw new Error(`the ledger of ${keyOf(number)} is not sound: ${problems[0]}`);
    const { tasks } = await get(`${account}/tasks?limit=1000&status=completed`);
    if (tasks.length !== perAccount) throw new Error(`${keyOf(number)} has ${tasks.length} tasks`);
  }
}
