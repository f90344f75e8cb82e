import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { integerBetween, readFlags } from '../../support/flags.ts';
import { startServerProcess } from '../../support/server-process.ts';
import { computeMedian } from '../../support/trend.ts';
import { startAttackRunner } from './attacks/runner.ts';
import { ATTACK_NAMES } from './attacks/scenarios.ts';
import { createEpochRunner, type FuzzFinding, isFaultEpoch, type Tally } from './epoch.ts';
import { createMemoryWatch } from './memory.ts';

const REQUESTS = { full: 100_000, short: 3000 };
/**
 * Cases per epoch. Each epoch starts from the initial state, so reproducing a finding takes at most this many cases.
 */
const EPOCH_SIZE = 1000;
/** A run with at least this many requests must have every operation accepted at least once. */
const ALL_ACCEPTED_FROM = 50_000;
/** Share of the operations that a shorter run may leave without an accepted request. */
const MAX_NEVER_ACCEPTED_SHARE = 0.3;
/** The first cases are repeated at the end, to measure memory. */
const REPEATED_CASES = 300;
const REPEATS = 8;
/** Stops after this many findings. */
const MAX_FINDINGS = 20;
const MAX_PRINTED_PER_KIND = 3;
/** Tasks end at once; each request is logged; the journal reaches its maximum size early. */
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
    describes: 'repeats the run with this seed',
  },
  requests: {
    read: integerBetween(1, 1e9),
    expects: 'a whole number from 1',
    describes: `number of requests; default ${REQUESTS.full}`,
  },
  only: {
    read: parseRange,
    expects: 'a case number, or a range such as 1200-1300',
    describes: 'runs only these cases of the seed, from the initial state, and prints what they send',
  },
  short: { describes: `${REQUESTS.short} requests` },
});

const { seed = Math.floor(Math.random() * 2 ** 31), only } = flags;
const total = flags.requests ?? (flags.short ? REQUESTS.short : REQUESTS.full);
const print = (text: string) => process.stdout.write(`${text}\n`);
const tally: Tally = { responses: new Map(), kinds: new Map(), checked: 0, attacks: [] };

const server = await startServerProcess(SERVER_FLAGS);
print(`fuzz: seed ${seed}, ${only ? `cases ${only.first} to ${only.last}` : `${total} requests`}`);
const startedMs = performance.now();
const findings: FuzzFinding[] = [];
let printedAttacks = 0;
const memory = createMemoryWatch({ slackBytes: 6 * 1024 * 1024, maxBytesPerRequest: 200 });
// The fixture opens some descriptors once (log, fonts), which do not count as leaks.
const attacks = await startAttackRunner(server);
const runEpoch = await createEpochRunner(server, { seed, tally, attacks });
let baseDescriptors = (await server.measure()).descriptors;

const [first, end] = only ? [only.first, only.last + 1] : [0, total];
for (let from = first; from < end && findings.length < MAX_FINDINGS && !server.ended(); ) {
  const epoch = Math.floor(from / EPOCH_SIZE);
  const to = Math.min(end, (epoch + 1) * EPOCH_SIZE);
  const found = await runEpoch({ epoch, from, to, baseDescriptors });
  findings.push(...found);
  for (const { index, problem } of found)
    print(`  ✗ ${index === undefined ? '' : `case ${index}: `}${problem.slice(0, 200)}`);
  if (server.ended()) break;
  const measured = await server.measure();
  // The first epoch opens what is needed once, such as the image renderer.
  if (from === first) baseDescriptors = measured.descriptors;
  memory.add(to, measured);
  const rate = Math.round((to - first) / ((performance.now() - startedMs) / 1000));
  print(
    `${String(to).padStart(7)} requests${isFaultEpoch(epoch) ? ', global faults' : ''}, ${rate}/s, ` +
      `${memory.formatLatest()}, ${formatAttack()}${findings.length} findings`,
  );
  from = to;
}
// Repeats the same cases: memory that grows from one repetition to the next is leaked by them.
const repeatedMemory = createMemoryWatch({
  ...{ slackBytes: 0.6 * 1024 * 1024, maxBytesPerRequest: 350, minWarmUpPoints: 1 },
});
for (let round = 1; round <= REPEATS && !only && findings.length === 0; round++) {
  const to = Math.min(REPEATED_CASES, total);
  findings.push(...(await runEpoch({ epoch: 0, from: 0, to, baseDescriptors })));
  if (server.ended()) break;
  repeatedMemory.add(round * to, await server.measure());
  print(`the first ${to} again, ${repeatedMemory.formatLatest()}`);
}
if (!only) {
  for (const problem of [...memory.findProblems(), ...repeatedMemory.findProblems()]) findings.push({ problem });
  for (const problem of findCoverageProblems()) findings.push({ problem });
}
await attacks.stop();
await server.stop();

const dir = findings.length > 0 ? mkdtempSync(join(tmpdir(), 'nanophoto-emulator-fuzz-')) : '';
const groups = new Map<string, FuzzFinding[]>();
for (const finding of findings) {
  // Findings that differ only in numbers are of one kind.
  const group = `${finding.testCase?.kind} ${finding.problem.replace(/\d+/g, '').slice(0, 50)}`;
  groups.set(group, [...(groups.get(group) ?? []), finding]);
}
for (const group of groups.values()) {
  for (const finding of group.slice(0, MAX_PRINTED_PER_KIND)) printFinding(finding);
  if (group.length > MAX_PRINTED_PER_KIND) print(`\n  … and ${group.length - MAX_PRINTED_PER_KIND} like these`);
}
const seconds = Math.round((performance.now() - startedMs) / 1000);
const responseCount = [...tally.responses.values()]
  .flatMap((statuses) => [...statuses.values()])
  .reduce((sum, count) => sum + count, 0);
const kindCounts = [...tally.kinds].map(([kind, count]) => `${kind} ${count}`).join(', ');
print(`\n${tally.checked} cases checked against the contract; ${kindCounts}`);
print(
  `${responseCount} responses: ${[...countStatuses()]
    .sort()
    .map(([status, count]) => `${status} × ${count}`)
    .join(', ')}`,
);
for (const name of ATTACK_NAMES) {
  const runs = tally.attacks.filter((attack) => attack.name === name);
  if (runs.length === 0) continue;
  const peak = Math.max(...runs.map(({ peakBytes = 0 }) => peakBytes)) / 1024 ** 2;
  const p99s = runs.map(({ p99Ms }) => p99Ms).filter((p99Ms) => !Number.isNaN(p99Ms));
  print(`${name} × ${runs.length}: at most ${peak.toFixed(0)} MiB, polls ${formatP99(computeMedian(p99s))} (median)`);
}
print(`fuzz: seed ${seed}, ${seconds} s, ${findings.length === 0 ? 'no findings' : `${findings.length} findings`}`);
process.exitCode = findings.length > 0 ? 1 : 0;

function printFinding({ index, problem, testCase }: FuzzFinding): void {
  const caseText = index === undefined ? '' : `case ${index}, ${testCase?.kind}, ${testCase?.delivery.how}: `;
  print(`\n✗ ${caseText}${problem.slice(0, 1500)}`);
  if (!testCase) return;
  const bytes = Buffer.concat([testCase.bytes, testCase.breaker?.bytes ?? Buffer.alloc(0)]);
  const file = join(dir, `${seed}-${index}.http`);
  writeFileSync(file, bytes);
  const through = testCase.tunnel ? `, through a ${testCase.tunnel} tunnel` : '';
  print(`  sent (complete in ${file})${through}: ${JSON.stringify(bytes.subarray(0, 400).toString('latin1'))}`);
  print(`  repeat: npm run test:fuzz -- --seed ${seed} --only ${index}`);
}

/** The attack of the last epoch. */
function formatAttack(): string {
  const attack = tally.attacks[printedAttacks];
  if (!attack) return '';
  printedAttacks += 1;
  const { name, peakBytes = Number.NaN, p99Ms } = attack;
  return `${name}: peak ${(peakBytes / 1024 ** 2).toFixed(0)} MiB, polls ${formatP99(p99Ms)}, `;
}

/** Too few polls have no 99th percentile. */
function formatP99(ms: number): string {
  return Number.isNaN(ms) ? 'not measured' : `${ms.toFixed(0)} ms at p99`;
}

function countStatuses(): Map<number, number> {
  const all = new Map<number, number>();
  for (const statuses of tally.responses.values()) {
    for (const [status, count] of statuses) all.set(status, (all.get(status) ?? 0) + count);
  }
  return all;
}

/** An operation that was never accepted has not been tested. In a short run this counts only if it affects many. */
function findCoverageProblems(): string[] {
  const isDocumented = /^(GET|POST|PUT|PATCH|DELETE) \/(api|__admin)\/[\w/{}-]+$/;
  const operations = [...tally.responses].filter(([operation]) => isDocumented.test(operation));
  const neverAccepted = operations.filter(([, statuses]) => ![...statuses.keys()].some((status) => status < 300));
  if (neverAccepted.length <= operations.length * (total < ALL_ACCEPTED_FROM ? MAX_NEVER_ACCEPTED_SHARE : 0)) return [];
  return neverAccepted.map(([operation, statuses]) => `${operation} was never accepted: ${[...statuses.keys()]}`);
}
