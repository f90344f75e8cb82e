import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerProcess } from '../../support/server-process.ts';
import { type Case, isAskedFor, mayBeCutOff, mayLinger } from './case.ts';
import { createCases } from './cases.ts';
import { assertHealthy, ledgerProblems, makeWorld } from './fixture.ts';
import { createJudge } from './oracle.ts';
import { createClient } from './send.ts';

/** As many cases are under way at once. */
const LANES = 32;
const PATIENCE_MS = 15_000;
/** So long an answer is waited for that may never come. */
const LINGER_MS = 150;
const MOST_UNFINISHED = 200;
/** Connections that are gone take a moment to be closed on the other side. */
const CLOSED_WITHIN_MS = 12_000;
/** In one of so many epochs rules may strike any request; the fourth is the first of them. */
const STORMY_EVERY = 8;
const FIRST_STORM = 3;

export interface Finding {
  /** Of the case; undefined where it is of the epoch as a whole. */
  place?: number;
  problem: string;
  sent?: Case;
}

export interface Tally {
  /** By operation: statuses, each as often as it was answered. */
  answers: Map<string, Map<number, number>>;
  kinds: Map<string, number>;
  /** Cases all of whose answers are held to the contract: nobody asked for something to go wrong. */
  judged: number;
}

export const isStormyEpoch = (epoch: number): boolean => epoch % STORMY_EVERY === FIRST_STORM;

/** Lines that no request may cause: whatever is said at `error` or above, and what is no line of ours. */
function logProblems(lines: readonly string[]): string[] {
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
): Promise<Finding[]> {
  const isStormy = isStormyEpoch(epoch);
  const world = await makeWorld(server.url);
  const caseAt = createCases(world, seed, isStormy);
  const judge = createJudge(world, isStormy);
  const client = createClient(server.port, { patienceMs: PATIENCE_MS, lingerMs: LINGER_MS });
  const findings: Finding[] = [];
  const underWay = new Map<number, Case>();
  let next = from;

  async function lane(): Promise<void> {
    while (next < to && server.ended() === undefined) {
      const sent = caseAt(next++);
      underWay.set(sent.place, sent);
      const isPatient = !isStormy && !isAskedFor(sent) && !mayBeCutOff(sent) && !mayLinger(sent);
      const outcome = await client.deliver(sent, !isPatient);
      if (server.ended() !== undefined) return;
      underWay.delete(sent.place);
      client.giveUpBeyond(MOST_UNFINISHED);
      const problem = judge(sent, outcome);
      if (problem) findings.push({ place: sent.place, problem, sent });
      count(tally.kinds, sent.kind);
      if (!isStormy && !isAskedFor(sent)) tally.judged += 1;
      const begun = outcome.begun ? [...outcome.answers, outcome.begun] : outcome.answers;
      for (const [place, { status }] of begun.entries()) {
        const operation = sent.messages[place]?.operation ?? sent.kind;
        const statuses = tally.answers.get(operation) ?? new Map<number, number>();
        tally.answers.set(operation, statuses);
        count(statuses, status);
      }
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane));
  client.leave();

  const ended = server.ended();
  if (ended !== undefined) {
    for (const [place, sent] of underWay) findings.push({ place, sent, problem: `the server ${ended}` });
    return findings;
  }
  const told = (problem: string) => findings.push({ problem });
  if (client.unaskedFor() > 0)
    told(`${client.unaskedFor()} times bytes came on a connection on which nothing was asked`);
  await call(told, async () => {
    for (const problem of await ledgerProblems(server.url)) told(`a ledger does not add up: ${problem}`);
    if (!isStormy) await assertHealthy(server.url);
    await makeWorld(server.url);
    await assertHealthy(server.url);
  });
  const left = await descriptorsLeft(server, baseDescriptors);
  if (left > 0) told(`${left} descriptors are open that were not before`);
  for (const problem of logProblems(server.takeLog())) told(problem);
  if (server.errorOutput()) told(`something was written to stderr: ${server.errorOutput().slice(0, 3000)}`);
  return findings;
}

async function call(told: (problem: string) => void, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    told(`it does not work any more: ${(error as Error).message}`);
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** How many are still open when the clients have been gone for a while. */
async function descriptorsLeft(server: ServerProcess, base: number | undefined): Promise<number> {
  if (base === undefined) return 0;
  const until = performance.now() + CLOSED_WITHIN_MS;
  for (;;) {
    const left = server.descriptors()! - base;
    if (left <= 0 || performance.now() > until) return Math.max(0, left);
    await sleep(50);
  }
}
