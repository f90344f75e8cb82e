// Rounds of load, each ended by SIGKILL at a moment that the seed decides, on a data directory that goes through all of them.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createClient } from './client.mjs';
import { createOpenAccount } from './concurrent-account.mjs';
import { createOpenLoad, listen } from './concurrent-load.mjs';
import { createModel, SELF_MADE_CREDITS } from './model.mjs';
import { createPlans, RESET_ALL, told } from './plan.mjs';
import { randomOf } from './random.mjs';
import { readRows } from './rows.mjs';
import { createExactLoad } from './serial-load.mjs';
import { checkServed } from './served.mjs';
import { spawnServer, startServer, tempDir } from './server.mjs';

const SHARING_CLIENTS = 20;
const EXACT_ACCOUNTS = 8;
const CONNECTIONS = 64;
const QUIET_MS = 40;
/** Until a signal is heard. */
const SIGNAL_MS = 5;
/** Until the end of a process that has broken its connections is known. */
const PATIENCE_MS = 3000;
const LONGEST_LOAD_MS = 4000;
/** Accounts of earlier rounds are looked at again, and then removed. */
const ROUNDS_KEPT = 2;
const SERVER_ARGS = ['--rate-limit', 'off', '--speed', '400'];

const KILLED_INSIDE = fileURLToPath(new URL('./killed-inside.mjs', import.meta.url));
/** What it says last. */
const INSIDE = /^killed (in a|between) transactions?$/;

const MODES = [
  { mode: 'real', speed: 3000 },
  { mode: 'real', speed: 400 },
  { mode: 'real', speed: 60 },
  { mode: 'auto', speed: 60 },
  { mode: 'frozen', speed: 60 },
];

export async function runRounds({ rounds, seed, say }) {
  const random = randomOf(seed);
  const dataDir = tempDir('crash');
  const scratchDir = tempDir('crash-copy');
  const model = createModel(EXACT_ACCOUNTS);
  const sum = {
    rounds: 0,
    answered: 0,
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
    problems.push(...logged(killed), ...model.check(rows, { reset: result.reset }));

    if (plan.killStartAfterMs !== undefined) {
      const again = spawnServer(['--data-dir', join(dataDir, 'data'), ...SERVER_ARGS]);
      await sleep(plan.killStartAfterMs);
      await again.killed();
      sum.startsKilled += 1;
      // It has played on, but has lost nothing of what it had found.
      problems.push(
        ...logged(again),
        ...model.check(readRows(join(dataDir, 'data'), join(scratchDir, 'copy')).accounts),
      );
    }
    server = await start(next);
    model.started();
    const client = createClient(server.url);
    problems.push(...(await checkServed(client, model, rows)));
    await client.close();

    sum.rounds += 1;
    sum.answered += result.answered;
    sum.events += result.events;
    sum.midWrite += isMidWrite ? 1 : 0;
    sum.inTransaction += killed.stderr === 'killed in a transaction' ? 1 : 0;
    sum.ordered += result.ordered;
    say(
      `round ${round}/${rounds}  ${told(plan)}  ${result.answered} answers in ${result.ms} ms${isMidWrite ? ', in the middle of a write' : ''}` +
        `${problems.length > 0 ? `  ${problems.length} PROBLEMS` : ''}`,
    );
    for (const problem of problems.slice(0, 8)) say(`  ${problem}`);
    sum.problems.push(...problems.map((problem) => `round ${round}: ${problem}`));
  }
  await server.stopped();
  return { ...sum, ...model.tally };
}

const logged = (server) => [
  ...server.errors().map((line) => `the log says: ${JSON.stringify(line).slice(0, 400)}`),
  ...(server.stderr === '' || INSIDE.test(server.stderr) ? [] : [`stderr says: ${server.stderr.slice(0, 400)}`]),
];

async function loadAndKill(server, model, { round, plan, random, problems }) {
  const { resetAllAfterMs, afterMs, kind, sent, statement, commit } = plan;
  let isKilled = false;
  let isOver = false;
  let answered = 0;
  let left = plan.nth;
  const kill = () => {
    if (isKilled) return;
    isKilled = true;
    server.kill();
  };
  // Counted from the answers: a process that is gone hears nothing, but what is in the connection is still read.
  const heard = (answer) => {
    if (!answer.endsWith(' head')) answered += 1;
    if (answer !== kind || left === undefined) return;
    left -= 1;
    if (left === 0) kill();
  };
  let gate;
  const sending = async (call) => {
    if (gate) await gate;
    if (call !== sent || left === undefined) return;
    left -= 1;
    if (left !== 0) return;
    let open;
    gate = new Promise((resolve) => {
      open = resolve;
    });
    // What is under way comes to its end, so that the next statements are nearly all of this call.
    await sleep(QUIET_MS);
    arm();
    await sleep(SIGNAL_MS);
    setImmediate(open);
  };
  const client = createClient(server.url, { connections: CONNECTIONS, heard, sending });
  const complain = (problem) => problems.push(problem);
  const accounts = await prepare(client, model, round, complain);
  const retired = [...model.open.values()].filter((account) => account.round <= round - ROUNDS_KEPT);
  answered = 0;
  left = plan.nth;

  /** From here on statements, or milliseconds, are counted. */
  const arm = () => {
    if (statement || commit) server.child.kill('SIGUSR2');
    if (afterMs !== undefined) setTimeout(kill, afterMs);
  };
  const begin = performance.now();
  const longest = setTimeout(kill, LONGEST_LOAD_MS);
  if (resetAllAfterMs === undefined && !sent) arm();
  const openCall = createOpenLoad({ client, accounts, complain });
  const exactCall = createExactLoad({ client, complain, addFork: model.addFork });
  const work = async (call) => {
    while (!isOver && (await call())) {}
    if (isOver) return;
    await Promise.race([server.ended, sleep(PATIENCE_MS, undefined, { ref: false })]);
    if (server.child.signalCode !== 'SIGKILL') complain('a connection broke, and nobody has killed the emulator');
  };
  const listening = listen(client, (key) => model.open.get(key), complain);
  const workers = [
    ...Array.from({ length: SHARING_CLIENTS }, () => random.fork()).map((own) => work(() => openCall(own))),
    ...model.exact
      .map((exact) => ({ exact, own: random.fork() }))
      .map(({ exact, own }) => work(() => exactCall(exact, own))),
    removeAll(client, retired, complain),
  ];
  let reset = false;
  if (resetAllAfterMs !== undefined) {
    await sleep(resetAllAfterMs);
    isOver = true;
    await Promise.all(workers);
    arm();
    if (statement) await sleep(SIGNAL_MS);
    const answer = await client.send(RESET_ALL, 'POST', '/__admin/reset', { body: {} });
    if (answer.isWhole && answer.status === 200) model.resetAll();
    else reset = true;
    kill();
  }
  await Promise.all([...workers, server.ended]);
  clearTimeout(longest);
  const events = await listening;
  await client.close();
  const isOrdered = ({ state }) => state !== 'refused';
  const ordered = accounts.reduce((sum, { orders }) => sum + [...orders.values()].filter(isOrdered).length, 0);
  return { answered, events, reset, ordered, ms: Math.round(performance.now() - begin) };
}

/** New accounts for this round, and one that makes itself with its first request. */
async function prepare(client, model, round, complain) {
  for (const { key, state } of model.forks()) {
    if (state) await client.call('DELETE', `/__admin/accounts/${encodeURIComponent(key)}`, undefined, 204);
  }
  model.dropForks();
  const accounts = [];
  for (const [index, { mode, speed }] of MODES.entries()) {
    const account = createOpenAccount({
      key: `open-${round}-${mode}-${index}`,
      mode,
      speed,
      credits: 100_000,
    });
    accounts.push(account);
  }
  accounts.push(
    createOpenAccount({ key: `open-${round}-poor`, mode: 'real', speed: 1000, credits: 150, isPoor: true }),
  );
  for (const account of accounts) {
    const { key, mode, speed, credits } = account;
    await client.call('POST', '/__admin/accounts', { key, credits, speed, clock: mode, rateLimit: null }, 201);
    account.created = 'done';
  }
  const selfMade = createOpenAccount({
    ...{ key: `np_test_open_${round}`, mode: 'real', speed: 400, credits: SELF_MADE_CREDITS, isPoor: true },
  });
  selfMade.isSelfMade = true;
  accounts.push(selfMade);
  const first = await client.send('call', 'POST', '/api/sora-2/generate', { key: selfMade.key, body: {} });
  if (first.status === 400) selfMade.created = 'done';
  else complain(`a first request was answered ${first.status} ${first.text}`);
  for (const account of accounts) model.addOpen(Object.assign(account, { round }));
  return accounts;
}

async function removeAll(client, accounts, complain) {
  for (const account of accounts) {
    if (account.created !== 'done' || account.removed === 'done') continue;
    account.removed = 'sent';
    const path = `/__admin/accounts/${encodeURIComponent(account.key)}`;
    const answer = await client.send('remove', 'DELETE', path);
    if (!answer.isWhole) return;
    account.removed = answer.status === 204 ? 'done' : 'no';
    if (answer.status !== 204) complain(`${account.key}: its removal was answered ${answer.status} ${answer.text}`);
  }
}
