import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { integerBetween, readFlags } from '../../support/flags.ts';
import { startServerProcess } from '../../support/server-process.ts';
import { type FuzzFinding, isFaultEpoch, runEpoch, type Tally } from './epoch.ts';
import { createFixture } from './fixture.ts';
import { createMemoryWatch } from './memory.ts';

const REQUESTS = { full: 100_000, short: 4000 };
/** After so many cases everything begins anew: a finding needs no more than these before it. */
const EPOCH_SIZE = 1000;
/** In a run of so many each operation is accepted at some time. */
const ALL_ACCEPTED_FROM = 50_000;
/** The share that may be missing in a shorter one. */
const MAX_NEVER_ACCEPTED_SHARE = 0.3;
/** So many of the first cases are repeated, and how often. */
const REPEATED_CASES = 500;
const REPEATS = 5;
/** More findings than these tell nothing more. */
const MAX_FINDINGS = 20;
/** Nobody waits; each request has its line in the log; the journal is full soon, and from then on as large as it will be. */
const SERVER_FLAGS = ['--speed', '1000000', '--log-level', 'info', '--journal-entries', '50'];

const parseRange = (text: string) => {
  const [, first, last = first] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text) ?? [];
  if (first === undefined || Number(last) < Number(first)) return undefined;
  return { first: Number(first), last: Number(last) };
};

const flags = readFlags('test:fuzz', {
  seed: {
    read: integerBetween(0, 2 ** 31 - 1),
    expects: 'a whole number from 0 to 2147483647',
    describes: 'repeats the run with that seed',
  },
  requests: {
    read: integerBetween(1, 1e9),
    expects: 'a whole number from 1',
    describes: `how many; ${REQUESTS.full} when absent`,
  },
  only: {
    read: parseRange,
    expects: 'a number, or two as in 1200-1300',
    describes: 'these cases of the seed alone, in a fresh world; shows what they send',
  },
  short: { describes: `${REQUESTS.short} requests` },
});

const { seed = Math.floor(Math.random() * 2 ** 31), only } = flags;
const total = flags.requests ?? (flags.short ? REQUESTS.short : REQUESTS.full);
const print = (text: string) => process.stdout.write(`${text}\n`);
const tally: Tally = { responses: new Map(), kinds: new Map(), checked: 0 };

const server = await startServerProcess(SERVER_FLAGS);
print(`fuzz: seed ${seed}, ${only ? `cases ${only.first} to ${only.last}` : `${total} requests`}`);
const startedMs = performance.now();
const findings: FuzzFinding[] = [];
const memory = createMemoryWatch({ slackBytes: 6 * 1024 * 1024, maxBytesPerRequest: 200 });
// What is opened once (the log, the fonts) is no leak.
await createFixture(server.url);
let baseDescriptors = (await server.measure()).descriptors;

const [first, end] = only ? [only.first, only.last + 1] : [0, total];
for (let from = first; from < end && findings.length < MAX_FINDINGS && !server.ended(); ) {
  const epoch = Math.floor(from / EPOCH_SIZE);
  const to = Math.min(end, (epoch + 1) * EPOCH_SIZE);
  findings.push(...(await runEpoch(server, { seed, epoch, from, to, tally, baseDescriptors })));
  if (server.ended()) break;
  const measured = await server.measure();
  // The first one opens what is needed once and never again, such as what images are drawn with.
  if (from === first) baseDescriptors = measured.descriptors;
  memory.add(to, measured);
  const rate = Math.round((to - first) / ((performance.now() - startedMs) / 1000));
  print(
    `${String(to).padStart(7)} requests${isFaultEpoch(epoch) ? ', stormy' : ''}, ${rate}/s, ${memory.formatLatest()}, ${findings.length} findings`,
  );
  from = to;
}
// The same cases again and again: what differs in memory from one time to the next has been left by them.
const repeatedMemory = createMemoryWatch({ slackBytes: 0.6 * 1024 * 1024, maxBytesPerRequest: 350 });
for (let round = 1; round <= REPEATS && !only && findings.length === 0; round++) {
  const to = Math.min(REPEATED_CASES, total);
  findings.push(...(await runEpoch(server, { seed, epoch: 0, from: 0, to, tally, baseDescriptors })));
  if (server.ended()) break;
  repeatedMemory.add(round * to, await server.measure());
  print(`the first ${to} once more, ${repeatedMemory.formatLatest()}`);
}
if (!only) {
  for (const problem of [...memory.findProblems(), ...repeatedMemory.findProblems()]) findings.push({ problem });
  for (const problem of findCoverageProblems()) findings.push({ problem });
}
await server.stop();

const dir = findings.length > 0 ? mkdtempSync(join(tmpdir(), 'nanophoto-emulator-fuzz-')) : '';
for (const { place, problem, testCase } of findings.slice(0, MAX_FINDINGS)) {
  print(
    `\n✗ ${place === undefined ? '' : `case ${place}, ${testCase?.kind}, ${testCase?.delivery.how}: `}${problem.slice(0, 1500)}`,
  );
  if (!testCase) continue;
  const file = join(dir, `${seed}-${place}.http`);
  writeFileSync(file, testCase.bytes);
  print(`  sent (whole in ${file}): ${JSON.stringify(testCase.bytes.subarray(0, 400).toString('latin1'))}`);
  print(`  again: npm run test:fuzz -- --seed ${seed} --only ${place}`);
}
const seconds = Math.round((performance.now() - startedMs) / 1000);
const responseCount = [...tally.responses.values()]
  .flatMap((statuses) => [...statuses.values()])
  .reduce((sum, count) => sum + count, 0);
print(
  `\n${tally.checked} cases were held to the contract; ${[...tally.kinds].map(([kind, count]) => `${kind} ${count}`).join(', ')}`,
);
print(
  `${responseCount} answers: ${[...countStatuses()]
    .sort()
    .map(([status, count]) => `${status} × ${count}`)
    .join(', ')}`,
);
print(
  `fuzz: seed ${seed}, ${seconds} s, ${findings.length === 0 ? 'every promise kept' : `${findings.length} findings`}`,
);
process.exitCode = findings.length > 0 ? 1 : 0;

function countStatuses(): Map<number, number> {
  const all = new Map<number, number>();
  for (const statuses of tally.responses.values()) {
    for (const [status, count] of statuses) all.set(status, (all.get(status) ?? 0) + count);
  }
  return all;
}

/** A run that the server never accepts an operation in has not tried it; of a short one that can be said of many alone. */
function findCoverageProblems(): string[] {
  const isDocumented = /^(GET|POST|PUT|PATCH|DELETE) \/(api|__admin)\/[\w/{}-]+$/;
  const operations = [...tally.responses].filter(([operation]) => isDocumented.test(operation));
  const neverAccepted = operations.filter(([, statuses]) => ![...statuses.keys()].some((status) => status < 300));
  if (neverAccepted.length <= operations.length * (total < ALL_ACCEPTED_FROM ? MAX_NEVER_ACCEPTED_SHARE : 0)) return [];
  return neverAccepted.map(([operation, statuses]) => `${operation} was never accepted: ${[...statuses.keys()]}`);
}
