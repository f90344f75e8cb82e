import { computeMedian, computeSlope } from '../../support/trend.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
/** Share of the samples to ignore at first, while code is compiled and journals and caches fill. */
const WARM_UP_SHARE = 1 / 3;

/** Limits the correction for a machine that was busy at first and then idle. */
const MIN_MACHINE_FACTOR = 0.5;

export interface Sample {
  atMs: number;
  bytes: number;
}

/** Response times of quick operations in one window, and those of the baseline server meanwhile. */
export interface Window {
  p99Ms: number;
  baselineP99Ms: number;
  /** CPU time of the server per operation, which other load on the machine hardly affects. */
  cpuMsPerOperation: number;
}

export interface Limits {
  mibPerMinute: number;
  /** Factor by which the last third of the windows may be slower than the first. */
  p99Factor: number;
  /** Factor by which the CPU time per operation may be higher in the last third. */
  cpuFactor: number;
  /** Difference to ignore, because other load on the machine causes as much. */
  p99SlackMs: number;
}

/** Growth of memory after the warm-up, in MiB per minute. */
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
  /** How much slower the machine itself has become; below 1 if it became faster. */
  machineFactor: number;
  isSteady: boolean;
  firstCpuMs: number;
  lastCpuMs: number;
  isCpuSteady: boolean;
}

/** Compares the last third of the windows with the first, corrected by the change of the baseline server. */
export function computeSteadiness(
  windows: readonly Window[],
  { p99Factor, p99SlackMs, cpuFactor }: Limits,
): Steadiness {
  const [first, last] = splitThirds(windows);
  const medianFor = (group: Window[], name: keyof Window) => computeMedian(group.map((one) => one[name]));
  const [firstMs, lastMs] = [medianFor(first, 'p99Ms'), medianFor(last, 'p99Ms')];
  const machineFactor = Math.max(
    MIN_MACHINE_FACTOR,
    medianFor(last, 'baselineP99Ms') / medianFor(first, 'baselineP99Ms'),
  );
  const [firstCpuMs, lastCpuMs] = [medianFor(first, 'cpuMsPerOperation'), medianFor(last, 'cpuMsPerOperation')];
  return {
    ...{ firstMs, lastMs, machineFactor, firstCpuMs, lastCpuMs },
    isSteady: lastMs <= firstMs * p99Factor * machineFactor + p99SlackMs,
    // NaN on a platform that does not report CPU time.
    isCpuSteady: !(lastCpuMs > firstCpuMs * cpuFactor),
  };
}

/** Handles by kind that exist more often than before, beyond `slack`. */
export function findLeakedHandles(before: readonly string[], after: readonly string[], slack: number): string[] {
  const count = (list: readonly string[], kind: string) => list.filter((one) => one === kind).length;
  return [...new Set(after)].flatMap((kind) => {
    const excess = count(after, kind) - count(before, kind);
    return excess > slack ? [`${excess} × ${kind}`] : [];
  });
}
