import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf } from '../../../src/core/random.ts';
import type { Client } from './client.ts';
import { createTenant, type Deed, drawDeed, isQuick, type Tenant } from './client-session.ts';

const TENANTS = 24;
/** So many deeds a tenant does before another takes its place. */
const LIFE = 300;
/** As many may be under way: what falls due when others take the machine's time is left out, not heaped up. */
const MOST_UNDER_WAY = 64;
/** Of deeds that fall due while the loop of the client is busy. */
const TICK_MS = 5;

export interface LoadFigures {
  done: Map<Deed, number>;
  failures: string[];
  /** Deeds that could not be begun because too many were under way. */
  missed: number;
}

interface Place {
  tenant: Tenant;
  left: number;
  underWay: Set<Promise<void>>;
}

/** Tenants that work at a pace. `tell` learns how long each quick deed took. */
export async function createLoad(client: Client, seed: number, tell: (ms: number) => void) {
  const random = randomOf('soak', seed);
  const figures: LoadFigures = { done: new Map(), failures: [], missed: 0 };
  const leaving = new Set<Promise<void>>();
  let born = 0;
  let underWay = 0;

  async function newPlace(): Promise<Place> {
    const key = `tenant-${born++}`;
    const tenant = createTenant(client, key, randomOf('tenant', seed, born));
    await tenant.begin();
    // Not all of them go at once.
    const left = born <= TENANTS ? Math.ceil((LIFE * born) / TENANTS) : LIFE;
    return { tenant, left, underWay: new Set() };
  }
  const places = await Promise.all(Array.from({ length: TENANTS }, newPlace));

  const failed = (what: string, error: unknown) => {
    figures.failures.push(`${what} ${error instanceof Error ? error.message : error}`);
  };

  async function replace(index: number): Promise<void> {
    const old = places[index]!;
    places[index] = await newPlace();
    await Promise.all(old.underWay);
    await old.tenant.end();
  }

  /** One deed of the next tenant. */
  function begin(): Promise<void> | undefined {
    if (underWay >= MOST_UNDER_WAY) {
      figures.missed += 1;
      return undefined;
    }
    const index = random.int(0, TENANTS - 1);
    const place = places[index]!;
    place.left -= 1;
    if (place.left === 0) {
      const change = replace(index).catch((error) => failed('a change of tenants', error));
      leaving.add(change);
      void change.then(() => leaving.delete(change));
    }
    const deed = drawDeed(random);
    underWay += 1;
    const began = performance.now();
    const work = place.tenant
      .do(deed)
      .then(() => {
        if (isQuick(deed)) tell(performance.now() - began);
        figures.done.set(deed, (figures.done.get(deed) ?? 0) + 1);
      })
      .catch((error) => failed(deed, error))
      .finally(() => {
        underWay -= 1;
        place.underWay.delete(work);
      });
    place.underWay.add(work);
    return work;
  }

  return {
    figures,
    /** As fast as it goes, with so many under way: deeds a second. */
    async burst(ms: number, width: number): Promise<number> {
      const until = performance.now() + ms;
      let count = 0;
      const lane = async () => {
        while (performance.now() < until) {
          await begin();
          count += 1;
        }
      };
      const began = performance.now();
      await Promise.all(Array.from({ length: width }, lane));
      return count / ((performance.now() - began) / 1000);
    },
    /** So many a second, for so long, whatever the answers take. */
    async pace(perSecond: number, ms: number): Promise<void> {
      const began = performance.now();
      let begun = 0;
      for (;;) {
        const passed = performance.now() - began;
        if (passed >= ms || figures.failures.length > 100) return;
        const due = Math.floor((passed / 1000) * perSecond);
        for (; begun < due; begun++) void begin();
        await sleep(TICK_MS);
      }
    },
    /** Until nothing is under way. */
    async settle(): Promise<void> {
      while (underWay > 0 || leaving.size > 0) await sleep(TICK_MS);
    },
    /** All that is under way comes to its end, and all tenants go. */
    async end(): Promise<void> {
      await Promise.all([...leaving]);
      for (const { tenant, underWay } of places) {
        await Promise.all(underWay);
        await tenant.end().catch((error) => failed('the end of a tenant', error));
      }
    },
  };
}
