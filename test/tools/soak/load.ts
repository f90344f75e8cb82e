import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../../src/core/random.ts';
import type { Client } from './client.ts';
import { type ClientSession, createClientSession, isQuick, type Operation, pickOperation } from './client-session.ts';

const SESSION_COUNT = 24;
/** So many deeds a tenant does before another takes its place. */
const OPERATIONS_PER_SESSION = 300;
/** As many may be under way: what falls due when others take the machine's time is left out, not heaped up. */
const MAX_IN_FLIGHT = 64;
/** Of deeds that fall due while the loop of the client is busy. */
const TICK_MS = 5;

export interface LoadStats {
  done: Map<Operation, number>;
  failures: string[];
  /** Deeds that could not be begun because too many were under way. */
  missed: number;
}

interface Slot {
  session: ClientSession;
  remaining: number;
  inFlight: Set<Promise<void>>;
}

/** Tenants that work at a pace. `tell` learns how long each quick deed took. */
export async function createLoad(client: Client, seed: number, onLatency: (ms: number) => void) {
  const random = seededRandom('soak', seed);
  const stats: LoadStats = { done: new Map(), failures: [], missed: 0 };
  const endingSessions = new Set<Promise<void>>();
  let createdCount = 0;
  let inFlight = 0;

  async function createSlot(): Promise<Slot> {
    const key = `tenant-${createdCount++}`;
    const session = createClientSession(client, key, seededRandom('tenant', seed, createdCount));
    await session.begin();
    // Not all of them go at once.
    const remaining =
      createdCount <= SESSION_COUNT
        ? Math.ceil((OPERATIONS_PER_SESSION * createdCount) / SESSION_COUNT)
        : OPERATIONS_PER_SESSION;
    return { session, remaining, inFlight: new Set() };
  }
  const slots = await Promise.all(Array.from({ length: SESSION_COUNT }, createSlot));

  const recordFailure = (context: string, error: unknown) => {
    stats.failures.push(`${context} ${error instanceof Error ? error.message : error}`);
  };

  async function replace(index: number): Promise<void> {
    const old = slots[index]!;
    slots[index] = await createSlot();
    await Promise.all(old.inFlight);
    await old.session.end();
  }

  /** One deed of the next tenant. */
  function startOperation(): Promise<void> | undefined {
    if (inFlight >= MAX_IN_FLIGHT) {
      stats.missed += 1;
      return undefined;
    }
    const index = random.int(0, SESSION_COUNT - 1);
    const slot = slots[index]!;
    slot.remaining -= 1;
    if (slot.remaining === 0) {
      const replacement = replace(index).catch((error) => recordFailure('a change of tenants', error));
      endingSessions.add(replacement);
      void replacement.then(() => endingSessions.delete(replacement));
    }
    const operation = pickOperation(random);
    inFlight += 1;
    const startedMs = performance.now();
    const work = slot.session
      .perform(operation)
      .then(() => {
        if (isQuick(operation)) onLatency(performance.now() - startedMs);
        stats.done.set(operation, (stats.done.get(operation) ?? 0) + 1);
      })
      .catch((error) => recordFailure(operation, error))
      .finally(() => {
        inFlight -= 1;
        slot.inFlight.delete(work);
      });
    slot.inFlight.add(work);
    return work;
  }

  return {
    stats,
    /** As fast as it goes, with so many under way: deeds a second. */
    async burst(ms: number, width: number): Promise<number> {
      const deadline = performance.now() + ms;
      let count = 0;
      const runLane = async () => {
        while (performance.now() < deadline) {
          await startOperation();
          count += 1;
        }
      };
      const startedMs = performance.now();
      await Promise.all(Array.from({ length: width }, runLane));
      return count / ((performance.now() - startedMs) / 1000);
    },
    /** So many a second, for so long, whatever the answers take. */
    async pace(perSecond: number, ms: number): Promise<void> {
      const startedMs = performance.now();
      let startedCount = 0;
      for (;;) {
        const elapsedMs = performance.now() - startedMs;
        if (elapsedMs >= ms || stats.failures.length > 100) return;
        const due = Math.floor((elapsedMs / 1000) * perSecond);
        for (; startedCount < due; startedCount++) void startOperation();
        await sleep(TICK_MS);
      }
    },
    /** Until nothing is under way. */
    async waitUntilIdle(): Promise<void> {
      while (inFlight > 0 || endingSessions.size > 0) await sleep(TICK_MS);
    },
    /** All that is under way comes to its end, and all tenants go. */
    async end(): Promise<void> {
      await Promise.all([...endingSessions]);
      for (const { session, inFlight } of slots) {
        await Promise.all(inFlight);
        await session.end().catch((error) => recordFailure('the end of a tenant', error));
      }
    },
  };
}
