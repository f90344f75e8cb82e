import { setTimeout as sleep } from 'node:timers/promises';
import type { RawResponse } from '../../support/response-reader.ts';
import type { ServerProcess } from '../../support/server-process.ts';
import { findResidentProblem } from './attacks/limits.ts';
import type { AttackRunner } from './attacks/runner.ts';
import type { AttackName } from './attacks/scenarios.ts';
import { type FuzzCase, getRisks, type Message } from './case.ts';
import { createCases } from './cases.ts';
import { assertHealthy, createFixture, type Fixture, fetchDocuments, findLedgerProblems } from './fixture.ts';
import { createOracle, findMismatch } from './oracle.ts';
import { createClient, type DeliveryOutcome } from './send.ts';

/** Number of cases in flight at once. */
const CONCURRENCY = 32;
const RESPONSE_TIMEOUT_MS = 15_000;
/** How long to wait for a response that may never come. */
const LINGER_MS = 150;
const MAX_UNFINISHED = 200;
/** How long the server may take to close connections whose clients are gone. */
const CLOSE_TIMEOUT_MS = 12_000;
/** One epoch in this many has rules that may apply to any request; the fourth epoch is the first. */
const FAULT_EPOCH_INTERVAL = 8;
const FIRST_FAULT_EPOCH = 3;

export interface FuzzFinding {
  /** Index of the case; undefined if the finding concerns the epoch as a whole. */
  index?: number;
  problem: string;
  testCase?: FuzzCase;
}

interface EpochOptions {
  epoch: number;
  from: number;
  to: number;
  baseDescriptors: number | undefined;
}

export interface Tally {
  /** Response count by operation and status. */
  responses: Map<string, Map<number, number>>;
  kinds: Map<string, number>;
  /** Number of cases whose responses were checked against the contract because no fault could apply. */
  checked: number;
  attacks: { name: AttackName; peakBytes: number | undefined; p99Ms: number }[];
}

export const isFaultEpoch = (epoch: number): boolean => epoch % FAULT_EPOCH_INTERVAL === FIRST_FAULT_EPOCH;

/** Log lines that no request may cause: errors, and lines that are not JSON. */
function findLogProblems(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    try {
      return JSON.parse(line).level < 40 || line.includes('"msg":"refused"')
        ? []
        : [`an error was logged: ${line.slice(0, 3000)}`];
    } catch {
      return [`a log line is not JSON: ${line.slice(0, 3000)}`];
    }
  });
}

/** Runs epochs against one server, and keeps what they share. */
export async function createEpochRunner(
  server: ServerProcess,
  { seed, tally, attacks }: { seed: number; tally: Tally; attacks: AttackRunner },
) {
  const documents = await fetchDocuments(server.url);
  /** The state that the next epoch starts from; undefined when it has to be created. */
  let reportedLength = 0;
  let nextFixture: Fixture | undefined = await createFixture(server.url, documents);
  const generators = new Map<string, { fixture: Fixture; getCase: (index: number) => FuzzCase }>();

  /** Returns the generator of an epoch. It is kept, because it takes as long to build as a hundred cases. */
  function getGenerator(fixture: Fixture, hasGlobalFaults: boolean): (index: number) => FuzzCase {
    const id = JSON.stringify([hasGlobalFaults, fixture.tasks, fixture.media]);
    let generator = generators.get(id);
    if (!generator) {
      const own = { ...fixture };
      generator = { fixture: own, getCase: createCases(own, seed, hasGlobalFaults) };
      generators.set(id, generator);
    }
    // The rest of the fixture is the same in each epoch, except for the times in its documents.
    generator.fixture.ruleIds = fixture.ruleIds;
    return generator.getCase;
  }

  /**
   * Runs the cases from `from` to `to` on a server in its initial state, then checks the ledgers, the log, open
   * descriptors, and that the server still works.
   */
  return async function runEpoch({ epoch, from, to, baseDescriptors }: EpochOptions): Promise<FuzzFinding[]> {
    const hasGlobalFaults = isFaultEpoch(epoch);
    const fixture: Fixture = nextFixture ?? (await createFixture(server.url, documents));
    nextFixture = undefined;
    const getCase = getGenerator(fixture, hasGlobalFaults);
    const findViolation = createOracle(fixture, hasGlobalFaults);
    const client = createClient(server.port, { timeoutMs: RESPONSE_TIMEOUT_MS, lingerMs: LINGER_MS });
    const findings: FuzzFinding[] = [];
    const inFlight = new Map<number, FuzzCase>();
    const soloResponses = new Map<string, RawResponse | undefined>();
    const attackCases: FuzzCase[] = [];
    let next = from;

    /** The response to the message on a connection of its own; undefined if there is none. */
    async function fetchAlone(message: Message): Promise<RawResponse | undefined> {
      const id = message.bytes.toString('latin1');
      if (!soloResponses.has(id)) {
        const only = { index: -1, kind: 'alone', messages: [message], bytes: message.bytes, expectedResponses: 1 };
        const { responses } = await client.deliver({ ...only, delivery: { how: 'kept' } }, false);
        soloResponses.set(id, responses[0]);
      }
      return soloResponses.get(id);
    }

    async function findForeignResponse(testCase: FuzzCase, { responses }: DeliveryOutcome) {
      for (const [index, message] of testCase.messages.entries()) {
        const response = responses[index];
        if (!message.isRepeatable || !response) continue;
        const expected = await fetchAlone(message);
        const mismatch = expected && findMismatch(message, response, expected);
        if (mismatch) return mismatch;
      }
      return undefined;
    }

    async function runLane(): Promise<void> {
      while (next < to && server.ended() === undefined) {
        const testCase = getCase(next++);
        if (testCase.attack) {
          attackCases.push(testCase);
          continue;
        }
        inFlight.set(testCase.index, testCase);
        const { mayMeetFault, mayBeAborted, isLongLived } = getRisks(testCase);
        const isPatient = !hasGlobalFaults && !mayMeetFault && !mayBeAborted && !isLongLived;
        const outcome = await client.deliver(testCase, !isPatient);
        if (server.ended() !== undefined) return;
        inFlight.delete(testCase.index);
        client.limitUnfinished(MAX_UNFINISHED);
        const problem =
          findViolation(testCase, outcome) ??
          (hasGlobalFaults || mayMeetFault ? undefined : await findForeignResponse(testCase, outcome));
        if (problem) findings.push({ index: testCase.index, problem, testCase });
        count(tally.kinds, testCase.kind);
        if (!hasGlobalFaults && !mayMeetFault) tally.checked += 1;
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
    server.resetPeak();
    await Promise.all(Array.from({ length: CONCURRENCY }, runLane));
    client.closeAll();

    const ended = server.ended();
    if (ended !== undefined) {
      for (const [index, testCase] of inFlight) findings.push({ index, testCase, problem: `the server ${ended}` });
      return findings;
    }
    const report = (problem: string) => findings.push({ problem });
    const casesPeak = findResidentProblem(server.peakResidentBytes());
    if (casesPeak) report(casesPeak);
    for (const testCase of attackCases) {
      const { problems, peakBytes, p99Ms } = await attacks.run(testCase.attack!, fixture);
      for (const problem of problems) findings.push({ index: testCase.index, testCase, problem });
      if (server.ended() !== undefined) return findings;
      count(tally.kinds, testCase.kind);
      tally.attacks.push({ name: testCase.attack!.name, peakBytes, p99Ms });
    }
    if (client.getUnsolicitedCount() > 0)
      report(`bytes arrived ${client.getUnsolicitedCount()} times on a connection without a request in flight`);
    await attempt(report, async () => {
      for (const problem of await findLedgerProblems(server.url)) report(`a ledger is inconsistent: ${problem}`);
      if (!hasGlobalFaults) await assertHealthy(server.url);
      const created = await createFixture(server.url, documents);
      await assertHealthy(server.url);
      nextFixture = created;
    });
    const left = await countLeakedDescriptors(server, baseDescriptors);
    if (left > 0) report(`${left} descriptors are still open`);
    for (const problem of findLogProblems(server.takeLog())) report(problem);
    const errorOutput = server.errorOutput().slice(reportedLength);
    reportedLength += errorOutput.length;
    if (errorOutput !== '') report(`something was written to stderr: ${errorOutput.slice(0, 3000)}`);
    return findings;
  };
}

async function attempt(report: (problem: string) => void, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    report(`the server no longer works: ${(error as Error).message}`);
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Number of descriptors still open a while after all clients disconnected. */
async function countLeakedDescriptors(server: ServerProcess, base: number | undefined): Promise<number> {
  if (base === undefined) return 0;
  const deadline = performance.now() + CLOSE_TIMEOUT_MS;
  for (;;) {
    const left = server.descriptors()! - base;
    if (left <= 0 || performance.now() > deadline) return Math.max(0, left);
    await sleep(50);
  }
}
