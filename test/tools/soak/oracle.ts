import { medianOf, slopeOf } from '../../support/trend.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
/** Code is compiled, journals and caches fill up to their bounds. */
const WARM_UP_SHARE = 1 / 3;

/** A machine that was busy at first and then was not must not be held against us any further. */
const MOST_FASTER = 0.5;

export interface Sample {
  atMs: number;
  bytes: number;
}

/** What quick answers took in one window of time, and what those of a server that does nothing took meanwhile. */
export interface Window {
  p99Ms: number;
  yardstickP99Ms: number;
  /** CPU time of the server for each deed: other work on the machine takes hardly any of it. */
  cpuMsPerDeed: number;
}

export interface Limits {
  mibPerMinute: number;
  /** By so much the last third of windows may be slower than the first. */
  p99Factor: number;
  /** By so much more CPU time a deed may take in the last third. */
  cpuFactor: number;
  /** What does not count, because a machine with other work on it gives and takes as much. */
  p99SlackMs: number;
}

/** By how much memory grows in a minute, in MiB, after the warm-up. */
export function growthOf(samples: readonly Sample[]): number {
  const from = samples[0]!.atMs + (samples.at(-1)!.atMs - samples[0]!.atMs) * WARM_UP_SHARE;
  const steady = samples.filter(({ atMs }) => atMs >= from);
  return slopeOf(steady.map(({ atMs, bytes }) => [atMs / MINUTE_MS, bytes / MIB]));
}

const thirdsOf = <T>(items: readonly T[]): [first: T[], last: T[]] => {
  const count = Math.max(1, Math.floor(items.length / 3));
  return [items.slice(0, count), items.slice(-count)];
};

export interface Steadiness {
  firstMs: number;
  lastMs: number;
  /** How much slower the machine itself has become; below 1: faster. */
  machine: number;
  isSteady: boolean;
  firstCpuMs: number;
  lastCpuMs: number;
  isAsCheap: boolean;
}

/** Whether the last third of the windows is as fast as the first, the machine's own part taken out. */
export function steadinessOf(
  windows: readonly Window[],
  { p99Factor, p99SlackMs, cpuFactor }: Limits,
): Steadiness {
  const [first, last] = thirdsOf(windows);
  const of = (some: Window[], name: keyof Window) => medianOf(some.map((one) => one[name]));
  const [firstMs, lastMs] = [of(first, 'p99Ms'), of(last, 'p99Ms')];
  const machine = Math.max(MOST_FASTER, of(last, 'yardstickP99Ms') / of(first, 'yardstickP99Ms'));
  const [firstCpuMs, lastCpuMs] = [of(first, 'cpuMsPerDeed'), of(last, 'cpuMsPerDeed')];
  return {
    ...{ firstMs, lastMs, machine, firstCpuMs, lastCpuMs },
    isSteady: lastMs <= firstMs * p99Factor * machine + p99SlackMs,
    // Not a number where it cannot be known.
    isAsCheap: !(lastCpuMs > firstCpuMs * cpuFactor),
  };
}

/** What is there more often than before, beyond `slack` that comes and goes by itself. */
export function handlesLeft(before: readonly string[], after: readonly string[], slack: number): string[] {
  const count = (list: readonly string[], kind: string) => list.filter((one) => one === kind).length;
  return [...new Set(after)].flatMap((kind) => {
    const more = count(after, kind) - count(before, kind);
    return more > slack ? [`${more} × ${kind}`] : [];
  });
}
