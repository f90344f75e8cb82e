import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerProcess } from '../../support/server-process.ts';
import { type FuzzCase, isLongLived, mayBeAborted, mayMeetFault } from './case.ts';
import { createCases } from './cases.ts';
import { assertHealthy, createFixture, findLedgerProblems } from './fixture.ts';
import { createOracle } from './oracle.ts';
import { createClient } from './send.ts';

/** As many cases are under way at once. */
const CONCURRENCY = 32;
const RESPONSE_TIMEOUT_MS = 15_000;
/** So long an answer is waited for that may never come. */
const LINGER_MS = 150;
const MAX_UNFINISHED = 200;
/** Connections that are gone take a moment to be closed on the other side. */
const CLOSE_TIMEOUT_MS = 12_000;
/** In one of so many epochs rules may strike any request; the fourth is the first of them. */
const FAULT_EPOCH_INTERVAL = 8;
const FIRST_FAULT_EPOCH = 3;

export interface FuzzFinding {
  /** Of the case; undefined where it is of the epoch as a whole. */
  place?: number;
  problem: string;
  testCase?: FuzzCase;
}

export interface Tally {
  /** By operation: statuses, each as often as it was answered. */
  responses: Map<string, Map<number, number>>;
  kinds: Map<string, number>;
  /** Cases all of whose answers are held to the contract: nobody asked for something to go wrong. */
  checked: number;
}

export const isFaultEpoch = (epoch: number): boolean => epoch % FAULT_EPOCH_INTERVAL === FIRST_FAULT_EPOCH;

/** Lines that no request may cause: whatever is said at `error` or above, and what is no line of ours. */
function findLogProblems(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    try {
      return JSON.parse(line).level < 40 || line.includes('"msg":"refused"')
        ? []
        : [`the log has an error: ${line.slice(0, 3000)}`];
    } catch {
      return [`the log has what is no line of it: ${line.slice(0, 3000)}`];
    }
  });
}

/**
 * Everything as at the first start, the cases from `from` to `to`, and a look at what they left: ledgers, log, descriptors, and
 * that all still works.
 */
export async function runEpoch(
  server: ServerProcess,
  {
    seed,
    epoch,
    from,
    to,
    tally,
    baseDescriptors,
  }: {
    seed: number;
    epoch: number;
    from: number;
    to: number;
    tally: Tally;
    baseDescriptors: number | undefined;
  },
): Promise<FuzzFinding[]> {
  const hasGlobalFaults = isFaultEpoch(epoch);
  const fixture = await createFixture(server.url);
  const getCase = createCases(fixture, seed, hasGlobalFaults);
  const findViolation = createOracle(fixture, hasGlobalFaults);
  const client = createClient(server.port, { timeoutMs: RESPONSE_TIMEOUT_MS, lingerMs: LINGER_MS });
  const findings: FuzzFinding[] = [];
  const inFlight = new Map<number, FuzzCase>();
  let next = from;

  async function runLane(): Promise<void> {
    while (next < to && server.ended() === undefined) {
      const testCase = getCase(next++);
      inFlight.set(testCase.place, testCase);
      const isPatient =
        !hasGlobalFaults && !mayMeetFault(testCase) && !mayBeAborted(testCase) && !isLongLived(testCase);
      const outcome = await client.deliver(testCase, !isPatient);
      if (server.ended() !== undefined) return;
      inFlight.delete(testCase.place);
      client.limitUnfinished(MAX_UNFINISHED);
      const problem = findViolation(testCase, outcome);
      if (problem) findings.push({ place: testCase.place, problem, testCase });
      count(tally.kinds, testCase.kind);
      if (!hasGlobalFaults && !mayMeetFault(testCase)) tally.checked += 1;
      const startedResponses = outcome.partialResponse
        ? [...outcome.responses, outcome.partialResponse]
        : outcome.responses;
      for (const [index, { status }] of startedResponses.entries()) {
        const operation = testCase.messages[index]?.operation ?? testCase.kind;
        const statuses = tally.responses.get(operation) ?? new Map<number, number>();
        tally.responses.set(operation, statuses);
        count(statuses, status);
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, runLane));
  client.closeAll();

  const ended = server.ended();
  if (ended !== undefined) {
    for (const [index, testCase] of inFlight) findings.push({ place: index, testCase, problem: `the server ${ended}` });
    return findings;
  }
  const report = (problem: string) => findings.push({ problem });
  if (client.getUnsolicitedCount() > 0)
    report(`${client.getUnsolicitedCount()} times bytes came on a connection on which nothing was asked`);
  await attempt(report, async () => {
    for (const problem of await findLedgerProblems(server.url)) report(`a ledger does not add up: ${problem}`);
    if (!hasGlobalFaults) await assertHealthy(server.url);
    await createFixture(server.url);
    await assertHealthy(server.url);
  });
  const left = await countLeakedDescriptors(server, baseDescriptors);
  if (left > 0) report(`${left} descriptors are open that were not before`);
  for (const problem of findLogProblems(server.takeLog())) report(problem);
  if (server.errorOutput()) report(`something was written to stderr: ${server.errorOutput().slice(0, 3000)}`);
  return findings;
}

async function attempt(report: (problem: string) => void, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    report(`it does not work any more: ${(error as Error).message}`);
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** How many are still open when the clients have been gone for a while. */
async function countLeakedDescriptors(server: ServerProcess, base: number | undefined): Promise<number> {
  if (base === undefined) return 0;
  const deadline = performance.now() + CLOSE_TIMEOUT_MS;
  for (;;) {
    const left = server.descriptors()! - base;
    if (left <= 0 || performance.now() > deadline) return Math.max(0, left);
    await sleep(50);
  }
}
