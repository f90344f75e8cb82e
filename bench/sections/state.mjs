// Imports and exports an account with many tasks, while a client polls a task of another account.
import { createReadStream, createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { roundToTenth } from '../report/stats.mjs';
import { assertCorrect } from '../support/measure.mjs';
import { residentMib, watchMemory } from '../support/proc-stats.mjs';
import { startServer, tempDir } from '../support/process-runner.mjs';
import { CHECK_STATUS, running, SORA, SORA_ORDER } from '../support/requests.mjs';
import { generate, HEADERS } from '../support/tasks.mjs';

const KEY = 'np_test_state';
const WARM_UP_SECONDS = 1;
const MAX_CONNECTIONS = 64;
const PRICE = 4;

/** The data is on disk, so that additional memory is that of the import or the export. */
export async function measureState({ emulator, settings, fixedRate, log }) {
  const { tasks, pollsPerSecond } = settings.state;
  const document = buildDocument(tasks);
  const [importFile, exportFile] = ['imported.json', 'exported.json'].map((name) => join(tempDir, name));
  writeFileSync(importFile, JSON.stringify(document));
  const rounds = [];
  for (let number = 1; number <= settings.longRounds; number++) {
    const server = await startServer([...emulator, `--data-dir=${join(tempDir, `state-${number}`)}`]);
    const { taskId } = await generate(server.url, SORA, SORA_ORDER);
    const window = {
      ...{ url: server.url + CHECK_STATUS, method: 'POST', headers: HEADERS, body: JSON.stringify({ taskId }) },
      ...{ expected: running(taskId), connections: MAX_CONNECTIONS, perSecond: pollsPerSecond },
    };
    const measure = async (work) => {
      const before = residentMib(server.pid);
      const memory = watchMemory(server.pid);
      const { result: seconds, figures } = await fixedRate.during(() => time(work), window);
      const extraMib = roundToTenth(memory() - before);
      assertCorrect('polls with an import or export', figures);
      return { seconds, extraMib, polls: figures };
    };
    const accounts = `${server.url}/__admin/accounts`;
    await measure(() => sleep(WARM_UP_SECONDS * 1000));
    const imported = await measure(() => importState(accounts, importFile));
    const exported = await measure(() => exportState(accounts, exportFile));
    await server.stop();
    checkDocument(JSON.parse(readFileSync(exportFile, 'utf8')), document);
    rounds.push({ imported, exported });
    const [importText, exportText] = [imported, exported].map(
      ({ seconds, extraMib, polls }) => `${seconds} s  ${extraMib} MiB  p99 of polls ${polls.p99Ms} ms`,
    );
    log(`state ${number}/${settings.longRounds}  import ${importText}  export ${exportText}`);
  }
  return { tasks, pollsPerSecond, rounds };
}

async function time(work) {
  const startedMs = performance.now();
  await work();
  return roundToTenth((performance.now() - startedMs) / 1000);
}

/** A document of an account whose tasks have all completed. */
function buildDocument(tasks) {
  const at = '2026-01-15T12:00:00.000Z';
  const endedAt = '2026-01-15T12:01:40.000Z';
  const settings = { clock: { mode: 'frozen' }, speed: 1, failureRate: 0, seed: 'bench' };
  const credits = tasks * PRICE;
  const ledger = [{ seq: 1, kind: 'grant', amount: credits, balance: credits, reason: 'initial credits', at }];
  for (let seq = 1; seq <= tasks; seq++) {
    ledger.push({ seq: seq + 1, kind: 'hold', amount: -PRICE, balance: credits - seq * PRICE, task: seq, at });
  }
  for (let seq = 1; seq <= tasks; seq++) {
    ledger.push({
      seq: tasks + seq + 1,
      kind: 'capture',
      amount: 0,
      balance: 0,
      task: seq,
      hold: seq + 1,
      at: endedAt,
    });
  }
  const plan = { steps: [{ name: 'generating', atMs: 0 }], endMs: 100_000, outcome: { status: 'completed' } };
  return {
    format: 'nanophoto-emulator/account',
    version: 1,
    account: {
      ...{ key: KEY, ...settings, clock: { mode: 'frozen', now: endedAt }, revoked: false, createdAt: at },
      initial: { credits, rateLimit: 100, ...settings },
    },
    ledger,
    tasks: Array.from({ length: tasks }, (_, index) => ({
      ...{ seq: index + 1, id: `task_${index}`, family: 'sora-2', status: 'completed', price: PRICE, hold: index + 2 },
      ...{ stepIndex: 0, createdAt: at, startedAt: at, finishedAt: endedAt, simulatedMs: 100_000, plan },
      input: { ...SORA_ORDER, prompt: `${SORA_ORDER.prompt}, take ${index}` },
    })),
    faults: [],
    rateLimit: { limit: 100 },
  };
}

/** @throws Error when the export is not what was imported */
function checkDocument(exported, document) {
  if (!isDeepStrictEqual(exported, document)) throw new Error('state: the export differs from the import');
}

/** @throws Error when the response is not 201 */
async function importState(accounts, file) {
  const response = await send(`${accounts}/import`, 'POST', createReadStream(file));
  const chunks = await response.toArray();
  if (response.statusCode !== 201) throw new Error(`state: the import returned ${response.statusCode}: ${chunks}`);
}

const exportState = async (accounts, file) =>
  pipeline(await send(`${accounts}/${KEY}/export`, 'GET', Readable.from([])), createWriteStream(file));

/** Sends a request with a body that is streamed. Resolves with the response when its head has arrived. */
function send(url, method, body) {
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers: { 'content-type': 'application/json' }, agent: false }, resolve);
    call.on('error', reject);
    pipeline(body, call).catch(reject);
  });
}
