import { computeMedian, computeSlope } from '../../support/trend.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
/** Code is compiled, journals and caches fill up to their bounds. */
const WARM_UP_SHARE = 1 / 3;

/** A machine that was busy at first and then was not must not be held against us any further. */
const MIN_MACHINE_FACTOR = 0.5;

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
export function computeGrowth(samples: readonly Sample[]): number {
  const from = samples[0]!.atMs + (samples.at(-1)!.atMs - samples[0]!.atMs) * WARM_UP_SHARE;
  const steady = samples.filter(({ atMs }) => atMs >= from);
  return computeSlope(steady.map(({ atMs, bytes }) => [atMs / MINUTE_MS, bytes / MIB]));
}

const splitThirds = <T>(items: readonly T[]): [first: T[], last: T[]] => {
  const count = Math.max(1, Math.floor(items.length / 3));
  return [items.slice(0, count), items.slice(-count)];
};

export interface Steadiness {
  firstMs: number;
  lastMs: number;
  /** How much slower the machine itself has become; below 1: faster. */
  machineFactor: number;
  isSteady: boolean;
  firstCpuMs: number;
  lastCpuMs: number;
  isCpuSteady: boolean;
}

/** Whether the last third of the windows is as fast as the first, the machine's own part taken out. */
export function computeSteadiness(
  windows: readonly Window[],
  { p99Factor, p99SlackMs, cpuFactor }: Limits,
): Steadiness {
  const [first, last] = splitThirds(windows);
  const medianFor = (group: Window[], name: keyof Window) => computeMedian(group.map((one) => one[name]));
  const [firstMs, lastMs] = [medianFor(first, 'p99Ms'), medianFor(last, 'p99Ms')];
  const machineFactor = Math.max(
    MIN_MACHINE_FACTOR,
    medianFor(last, 'yardstickP99Ms') / medianFor(first, 'yardstickP99Ms'),
  );
  const [firstCpuMs, lastCpuMs] = [medianFor(first, 'cpuMsPerDeed'), medianFor(last, 'cpuMsPerDeed')];
  return {
    ...{ firstMs, lastMs, machineFactor, firstCpuMs, lastCpuMs },
    isSteady: lastMs <= firstMs * p99Factor * machineFactor + p99SlackMs,
    // Not a number where it cannot be known.
    isCpuSteady: !(lastCpuMs > firstCpuMs * cpuFactor),
  };
}

/** What is there more often than before, beyond `slack` that comes and goes by itself. */
export function findLeakedHandles(before: readonly string[], after: readonly string[], slack: number): string[] {
  const count = (list: readonly string[], kind: string) => list.filter((one) => one === kind).length;
  return [...new Set(after)].flatMap((kind) => {
    const excess = count(after, kind) - count(before, kind);
    return excess > slack ? [`${excess} × ${kind}`] : [];
  });
}
