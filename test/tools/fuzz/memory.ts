import type { Measurement } from '../../support/server-process.ts';
import { computeSlope } from '../../support/trend.ts';

const MIB = 1024 * 1024;
/** Share of the points to ignore at first, while code is compiled and caches fill. */
const WARM_UP_SHARE = 0.3;
const MIN_WARM_UP_POINTS = 5;
const MIN_POINTS = 3;
/** Limit for memory outside the heap. */
const MAX_BYTES_PER_REQUEST = 200;
/** The image cache holds up to 16 MiB, so external memory may grow until it is full. */
const EXTERNAL_SLACK_BYTES = 32 * MIB;
/** The allocator's page cache varies by tens of MiB; only steady growth counts. */
const MAX_RESIDENT_BYTES_PER_REQUEST = 400;
const RESIDENT_SLACK_BYTES = 32 * MIB;
/** Limit for resident memory that stays after attacks. */
const MAX_SETTLED_BYTES = 400 * MIB;

interface Point {
  requests: number;
  held: number;
  external: number;
  resident: number;
}

/** Detects memory growth between measurements in comparable states: after a reset and a garbage collection. */
export function createMemoryWatch({
  slackBytes,
  maxBytesPerRequest,
  minWarmUpPoints = MIN_WARM_UP_POINTS,
}: {
  /** Allowance for caches and compiled code, which vary between cases. */
  slackBytes: number;
  maxBytesPerRequest: number;
  minWarmUpPoints?: number;
}) {
  const points: Point[] = [];
  const measureGrowth = (select: (point: Point) => number, max: number, slack: number): number | undefined => {
    const steady = points.slice(Math.max(minWarmUpPoints, Math.floor(points.length * WARM_UP_SHARE)));
    if (steady.length < MIN_POINTS) return undefined;
    const perRequest = computeSlope(steady.map((point) => [point.requests, select(point)]));
    const requests = steady.at(-1)!.requests - steady[0]!.requests;
    // Memory that is freed from time to time goes up in steps and down again; leaked memory only goes up.
    const half = Math.floor(steady.length / 2);
    const [first, second] = [steady.slice(0, half), steady.slice(half)].map((part) => part.map(select));
    if (Math.min(...second!) <= Math.max(...first!)) return undefined;
    return perRequest > max && perRequest * requests > slack ? perRequest : undefined;
  };
  return {
    add(requests: number, { memory }: Measurement): void {
      points.push({ requests, held: memory.heapUsed, external: memory.external, resident: memory.rss });
    },
    formatLatest(): string {
      const { held, resident } = points.at(-1)!;
      return `${(held / MIB).toFixed(1)} MiB heap, ${(resident / MIB).toFixed(0)} MiB resident`;
    },
    findProblems(): string[] {
      const held = measureGrowth(({ held }) => held, maxBytesPerRequest, slackBytes);
      const external = measureGrowth(({ external }) => external, MAX_BYTES_PER_REQUEST, EXTERNAL_SLACK_BYTES);
      const resident = measureGrowth(({ resident }) => resident, MAX_RESIDENT_BYTES_PER_REQUEST, RESIDENT_SLACK_BYTES);
      const settled = points.at(-1)?.resident ?? 0;
      return [
        ...(settled > MAX_SETTLED_BYTES
          ? [`resident memory is still ${Math.round(settled / MIB)} MiB after a reset and a garbage collection`]
          : []),
        ...(held === undefined ? [] : [`the heap grows by ${Math.round(held)} bytes per request`]),
        ...(external === undefined
          ? []
          : [`memory outside the heap grows by ${Math.round(external)} bytes per request`]),
        ...(resident === undefined ? [] : [`resident memory grows by ${Math.round(resident)} bytes per request`]),
      ];
    },
  };
}
