import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../../src/core/random.ts';
import type { Client } from './client.ts';
import { type ClientSession, createClientSession, isQuick, type Operation, pickOperation } from './client-session.ts';

const SESSION_COUNT = 24;
/** Number of operations after which a tenant is replaced by a new one. */
const OPERATIONS_PER_SESSION = 300;
/** Operations in flight at most. Those due beyond that are skipped instead of piling up. */
const MAX_IN_FLIGHT = 64;
/** How often due operations are started. */
const TICK_MS = 5;

export interface LoadStats {
  done: Map<Operation, number>;
  failures: string[];
  /** Operations that were skipped because too many were in flight. */
  missed: number;
}

interface Slot {
  session: ClientSession;
  remaining: number;
  inFlight: Set<Promise<void>>;
}

/** Tenants that work at a set rate. `onLatency` receives the response time of each quick operation. */
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
    // Staggers the replacement of the first tenants.
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

  /** Starts one operation of a random tenant. */
  function startOperation(): Promise<void> | undefined {
    if (inFlight >= MAX_IN_FLIGHT) {
      stats.missed += 1;
      return undefined;
    }
    const index = random.int(0, SESSION_COUNT - 1);
    const slot = slots[index]!;
    slot.remaining -= 1;
    if (slot.remaining === 0) {
      const replacement = replace(index).catch((error) => recordFailure('replacing a tenant', error));
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
    /** Runs `width` operations at a time, as fast as possible. Resolves to operations per second. */
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
    /** Starts operations at a fixed rate, however long the responses take. */
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
    /** Resolves when no operation is in flight. */
    async waitUntilIdle(): Promise<void> {
      while (inFlight > 0 || endingSessions.size > 0) await sleep(TICK_MS);
    },
    /** Waits for the operations in flight and removes all tenants. */
    async end(): Promise<void> {
      await Promise.all([...endingSessions]);
      for (const { session, inFlight } of slots) {
        await Promise.all(inFlight);
        await session.end().catch((error) => recordFailure('removing a tenant', error));
      }
    },
  };
}
