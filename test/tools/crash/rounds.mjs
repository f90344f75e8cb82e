// Rounds of load, each ended by SIGKILL at a point that the seed decides, all on the same data directory.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createClient } from './client.mjs';
import { createConcurrentAccount } from './concurrent-account.mjs';
import { createConcurrentLoad, listen } from './concurrent-load.mjs';
import { AUTO_ACCOUNT_CREDITS, createModel } from './model.mjs';
import { createPlans, describePlan, RESET_ALL } from './plan.mjs';
import { seededRandom } from './random.mjs';
import { readRows } from './rows.mjs';
import { createSerialLoad } from './serial-load.mjs';
import { checkServed } from './served.mjs';
import { spawnServer, startServer, tempDir } from './server.mjs';

const CONCURRENT_CLIENTS = 20;
const SERIAL_ACCOUNTS = 8;
const CONNECTIONS = 64;
const QUIET_MS = 40;
/** How long a process needs to handle a signal. */
const SIGNAL_MS = 5;
/** How long it takes to notice that a process with broken connections has ended. */
const EXIT_TIMEOUT_MS = 3000;
const MAX_LOAD_MS = 4000;
/** Accounts of earlier rounds are checked again for this many rounds, then removed. */
const ROUNDS_KEPT = 2;
const SERVER_ARGS = ['--rate-limit', 'off', '--speed', '400'];

const KILLED_INSIDE = fileURLToPath(new URL('./killed-inside.mjs', import.meta.url));
/** The last line that a process killed by that preload writes to stderr. */
const KILLED_INSIDE_MESSAGE = /^killed (in a|between) transactions?$/;

const MODES = [
  { mode: 'real', speed: 3000 },
  { mode: 'real', speed: 400 },
  { mode: 'real', speed: 60 },
  { mode: 'auto', speed: 60 },
  { mode: 'frozen', speed: 60 },
];

export async function runRounds({ rounds, seed, print }) {
  const random = seededRandom(seed);
  const dataDir = tempDir('crash');
  const scratchDir = tempDir('crash-copy');
  const model = createModel(SERIAL_ACCOUNTS);
  const sum = {
    rounds: 0,
    responses: 0,
    ordered: 0,
    midWrite: 0,
    inTransaction: 0,
    startsKilled: 0,
    events: 0,
    problems: [],
  };
  const start = ({ statement = '', commit = '' }) =>
    startServer(['--data-dir', join(dataDir, 'data'), ...SERVER_ARGS], {
      nodeArgs: ['--import', KILLED_INSIDE],
      env: { CRASH_AT_STATEMENT: String(statement), CRASH_AT_COMMIT: String(commit) },
    });
  const drawPlan = createPlans(random);
  let next = drawPlan();
  let server = await start(next);

  for (let round = 1; round <= rounds; round++) {
    const plan = next;
    next = drawPlan();
    const problems = [];
    const killed = server;
    const result = await loadAndKill(server, model, { round, plan, random: random.fork(), problems });
    const { accounts: rows, isMidWrite } = readRows(join(dataDir, 'data'), join(scratchDir, 'copy'));
    problems.push(...findLoggedErrors(killed), ...model.check(rows, { reset: result.reset }));

    if (plan.killStartAfterMs !== undefined) {
      const again = spawnServer(['--data-dir', join(dataDir, 'data'), ...SERVER_ARGS]);
      await sleep(plan.killStartAfterMs);
      await again.killed();
      sum.startsKilled += 1;
      // This start may have advanced tasks, but must not have lost anything it found.
      problems.push(
        ...findLoggedErrors(again),
        ...model.check(readRows(join(dataDir, 'data'), join(scratchDir, 'copy')).accounts),
      );
    }
    server = await start(next);
    model.started();
    const client = createClient(server.url);
    problems.push(...(await checkServed(client, model, rows)));
    await client.close();

    sum.rounds += 1;
    sum.responses += result.responseCount;
    sum.events += result.events;
    sum.midWrite += isMidWrite ? 1 : 0;
    sum.inTransaction += killed.stderr === 'killed in a transaction' ? 1 : 0;
    sum.ordered += result.ordered;
    print(
      `round ${round}/${rounds}  ${describePlan(plan)}  ` +
        `${result.responseCount} responses in ${result.ms} ms${isMidWrite ? ', in the middle of a write' : ''}` +
        `${problems.length > 0 ? `  ${problems.length} PROBLEMS` : ''}`,
    );
    for (const problem of problems.slice(0, 8)) print(`  ${problem}`);
    sum.problems.push(...problems.map((problem) => `round ${round}: ${problem}`));
  }
  await server.stopped();
  return { ...sum, ...model.tally };
}

const findLoggedErrors = (server) => [
  ...server.errors().map((line) => `logged an error: ${JSON.stringify(line).slice(0, 400)}`),
  ...(server.stderr === '' || KILLED_INSIDE_MESSAGE.test(server.stderr)
    ? []
    : [`wrote to stderr: ${server.stderr.slice(0, 400)}`]),
];

async function loadAndKill(server, model, { round, plan, random, problems }) {
  const { resetAllAfterMs, afterMs, kind, sent, statement, commit } = plan;
  let isKilled = false;
  let isOver = false;
  let responseCount = 0;
  let left = plan.nth;
  const kill = () => {
    if (isKilled) return;
    isKilled = true;
    server.kill();
  };
  // Counts responses on this side: after the kill, responses already in the socket buffer still arrive.
  const onResponse = (response) => {
    if (!response.endsWith(' head')) responseCount += 1;
    if (response !== kind || left === undefined) return;
    left -= 1;
    if (left === 0) kill();
  };
  let gate;
  const beforeSend = async (call) => {
    if (gate) await gate;
    if (call !== sent || left === undefined) return;
    left -= 1;
    if (left !== 0) return;
    let open;
    gate = new Promise((resolve) => {
      open = resolve;
    });
    // Waits for requests in flight, so that the next statements are nearly all part of this call.
    await sleep(QUIET_MS);
    arm();
    await sleep(SIGNAL_MS);
    setImmediate(open);
  };
  const client = createClient(server.url, { connections: CONNECTIONS, onResponse, beforeSend });
  const report = (problem) => problems.push(problem);
  const accounts = await prepare(client, model, round, report);
  const retired = [...model.concurrent.values()].filter((account) => account.round <= round - ROUNDS_KEPT);
  responseCount = 0;
  left = plan.nth;

  /** Starts the countdown of statements, commits or milliseconds. */
  const arm = () => {
    if (statement || commit) server.child.kill('SIGUSR2');
    if (afterMs !== undefined) setTimeout(kill, afterMs);
  };
  const startedMs = performance.now();
  const loadTimeout = setTimeout(kill, MAX_LOAD_MS);
  if (resetAllAfterMs === undefined && !sent) arm();
  const concurrentCall = createConcurrentLoad({ client, accounts, report });
  const serialCall = createSerialLoad({ client, report, addFork: model.addFork });
  const work = async (call) => {
    while (!isOver && (await call())) {}
    if (isOver) return;
    await Promise.race([server.ended, sleep(EXIT_TIMEOUT_MS, undefined, { ref: false })]);
    if (server.child.signalCode !== 'SIGKILL') report('a connection broke although the emulator was not killed');
  };
  const listening = listen(client, (key) => model.concurrent.get(key), report);
  const workers = [
    ...Array.from({ length: CONCURRENT_CLIENTS }, () => random.fork()).map((own) => work(() => concurrentCall(own))),
    ...model.serial
      .map((account) => ({ account, own: random.fork() }))
      .map(({ account, own }) => work(() => serialCall(account, own))),
    removeAll(client, retired, report),
  ];
  let reset = false;
  if (resetAllAfterMs !== undefined) {
    await sleep(resetAllAfterMs);
    isOver = true;
    await Promise.all(workers);
    arm();
    if (statement) await sleep(SIGNAL_MS);
    const response = await client.send(RESET_ALL, 'POST', '/__admin/reset', { body: {} });
    if (response.isComplete && response.status === 200) model.resetAll();
    else reset = true;
    kill();
  }
  await Promise.all([...workers, server.ended]);
  clearTimeout(loadTimeout);
  const events = await listening;
  await client.close();
  const isOrdered = ({ state }) => state !== 'refused';
  const ordered = accounts.reduce((sum, { orders }) => sum + [...orders.values()].filter(isOrdered).length, 0);
  return { responseCount, events, reset, ordered, ms: Math.round(performance.now() - startedMs) };
}

/** Creates new accounts for this round, one of them implicitly with its first request. */
async function prepare(client, model, round, report) {
  for (const { key, state } of model.forks()) {
    if (state) await client.call('DELETE', `/__admin/accounts/${encodeURIComponent(key)}`, undefined, 204);
  }
  model.dropForks();
  const accounts = [];
  for (const [index, { mode, speed }] of MODES.entries()) {
    const account = createConcurrentAccount({
      key: `shared-${round}-${mode}-${index}`,
      mode,
      speed,
      credits: 100_000,
    });
    accounts.push(account);
  }
  accounts.push(
    createConcurrentAccount({ key: `shared-${round}-poor`, mode: 'real', speed: 1000, credits: 150, isPoor: true }),
  );
  for (const account of accounts) {
    const { key, mode, speed, credits } = account;
    await client.call('POST', '/__admin/accounts', { key, credits, speed, clock: mode, rateLimit: null }, 201);
    account.created = 'done';
  }
  const autoCreated = createConcurrentAccount({
    ...{ key: `np_test_shared_${round}`, mode: 'real', speed: 400, credits: AUTO_ACCOUNT_CREDITS, isPoor: true },
  });
  autoCreated.isAutoCreated = true;
  accounts.push(autoCreated);
  const first = await client.send('call', 'POST', '/api/sora-2/generate', { key: autoCreated.key, body: {} });
  if (first.status === 400) autoCreated.created = 'done';
  else report(`the first request of an auto-created account returned ${first.status} ${first.text}`);
  for (const account of accounts) model.addConcurrent(Object.assign(account, { round }));
  return accounts;
}

async function removeAll(client, accounts, report) {
  for (const account of accounts) {
    if (account.created !== 'done' || account.removed === 'done') continue;
    account.removed = 'sent';
    const path = `/__admin/accounts/${encodeURIComponent(account.key)}`;
    const response = await client.send('remove', 'DELETE', path);
    if (!response.isComplete) return;
    account.removed = response.status === 204 ? 'done' : 'no';
    if (response.status !== 204) report(`${account.key}: its removal returned ${response.status} ${response.text}`);
  }
}
