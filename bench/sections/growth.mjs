// Compares an emulator that has many tasks with an empty one: both on a data directory, side by side.
import { join } from 'node:path';
import { roundToTenth } from '../report/stats.mjs';
import { measureRounds } from '../support/measure.mjs';
import { get, post, startServer, tempDir } from '../support/process-runner.mjs';
import { CHECK_STATUS, GENERATE, running, SORA_ORDER } from '../support/requests.mjs';
import { addAccount, HEADERS, SLOW_SPEED } from '../support/tasks.mjs';
import { fillDatabase, filledKey } from './preload.mjs';
import { measureStarts } from './starts.mjs';
import { countPaid, generateTargets, pollTargets } from './throughput.mjs';

const TEMPLATE = 'np_test_template';
/** Number of filled accounts whose ledgers are verified. */
const SAMPLES = 25;
const CONNECTIONS = 32;
/** Number of accounts that poll in turn, so that caches do not hold all that a poll needs. */
const POLLING_ACCOUNTS = 200;
const JSON_TYPE = { 'content-type': 'application/json' };

export async function measureGrowth(run) {
  const { emulator, settings, log } = run;
  const dirs = { empty: join(tempDir, 'empty'), full: join(tempDir, 'full') };
  const argsFor = (dir) => [...emulator, `--data-dir=${dir}`];
  const { tasks, accounts } = settings.growth;
  log(`growth: filling a database with ${tasks} tasks`);
  const filled = await fillDir(dirs.full, argsFor(dirs.full), { perAccount: tasks / accounts, copies: accounts });
  log(`growth: ${filled.tasks} tasks of ${filled.accounts} accounts after ${filled.seconds} s`);

  const kinds = { empty: argsFor(dirs.empty), full: argsFor(dirs.full) };
  const start = await measureStarts(kinds, run);
  const servers = { empty: await startServer(kinds.empty), full: await startServer(kinds.full) };
  await checkSamples(servers.full.url, accounts, tasks / accounts);
  const measured = {};
  const longer = { ...run, settings: { ...settings, rounds: settings.growthRounds } };
  const calls = { method: 'POST', headers: HEADERS, connections: CONNECTIONS };
  measured.poll32 = await measureRounds({ name: 'growth poll32', calls, targets: await pollTargets(servers) }, longer);
  measured.manyPoll32 = await measureRounds(
    { name: 'growth manyPoll32', calls, targets: await inTurnPollTargets(servers) },
    longer,
  );
  const paid = await countPaid(servers);
  measured.generate32 = await measureRounds(
    { name: 'growth generate32', calls, targets: generateTargets(servers) },
    longer,
  );
  await paid.check(measured.generate32);
  for (const server of Object.values(servers)) await server.stop();
  return { filled, start, ...measured };
}

/**
 * The emulator creates the template's rows. The copies are made while it is stopped, as it would take hours to create
 * them.
 */
async function fillDir(dataDir, args, { perAccount, copies }) {
  const startedMs = performance.now();
  const server = await startServer(args);
  const headers = await addAccount(server.url, TEMPLATE, 1);
  for (let number = 0; number < perAccount; number++) {
    const { taskId } = await post(server.url + GENERATE, headers, JSON.stringify(SORA_ORDER));
    await post(`${server.url}/__admin/accounts/${TEMPLATE}/tasks/${taskId}/complete`, JSON_TYPE, '{}');
  }
  await server.stop('SIGTERM');
  const found = fillDatabase({ dataDir, template: TEMPLATE, copies });
  if (found.tasks < perAccount * copies) throw new Error(`only ${found.tasks} tasks were created`);
  return { ...found, seconds: roundToTenth((performance.now() - startedMs) / 1000) };
}

/** Like `pollTargets`, but each request polls a task of another account. */
async function inTurnPollTargets(servers) {
  const targets = {};
  for (const [name, server] of Object.entries(servers)) {
    const requests = [];
    for (let number = 1; number <= POLLING_ACCOUNTS; number++) {
      const headers = await addAccount(server.url, `np_test_polling_${number}`, SLOW_SPEED);
      const { taskId } = await post(server.url + GENERATE, headers, JSON.stringify(SORA_ORDER));
      requests.push({ method: 'POST', path: CHECK_STATUS, headers, body: JSON.stringify({ taskId }) });
    }
    targets[name] = { server, path: '', requests, expected: running('*') };
  }
  return targets;
}

/** @throws Error unless the emulator verifies the filled accounts' ledgers and lists all their tasks */
async function checkSamples(url, accounts, perAccount) {
  for (let sample = 0; sample < SAMPLES; sample++) {
    const number = 1 + Math.floor(((accounts - 1) * sample) / (SAMPLES - 1));
    const account = `${url}/__admin/accounts/${filledKey(number)}`;
    const { ok, problems } = await get(`${account}/ledger/verify`);
    if (!ok) throw new Error(`the ledger of ${filledKey(number)} is inconsistent: ${problems[0]}`);
    const { tasks } = await get(`${account}/tasks?limit=1000&status=completed`);
    if (tasks.length !== perAccount) throw new Error(`${filledKey(number)} has ${tasks.length} tasks`);
  }
}
