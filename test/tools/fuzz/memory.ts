import type { Measurement } from '../../support/server-process.ts';
import { computeSlope } from '../../support/trend.ts';

const MIB = 1024 * 1024;
/** In the first of these nothing is steady yet: code is compiled, caches fill. */
const WARM_UP_SHARE = 0.3;
const MIN_POINTS = 3;
/** For what is held outside of the heap. */
const MAX_BYTES_PER_REQUEST = 200;
/** Images that have been drawn are kept up to 64 MiB: below that it grows by right. */
const EXTERNAL_SLACK_BYTES = 80 * MIB;
/** Pages that an allocator keeps come and go by tens of MiB; that they grow all the time is another thing. */
const MAX_RESIDENT_BYTES_PER_REQUEST = 400;
const RESIDENT_SLACK_BYTES = 32 * MIB;

interface Point {
  requests: number;
  held: number;
  external: number;
  resident: number;
}

/** Whether the server's memory grows, looked at in states that should be alike: all reset, all collected. */
export function createMemoryWatch({
  slackBytes,
  maxBytesPerRequest,
}: {
  /** What other cases leave or take in caches and compiled code. */
  slackBytes: number;
  maxBytesPerRequest: number;
}) {
  const points: Point[] = [];
  const measureGrowth = (select: (point: Point) => number, max: number, slack: number): number | undefined => {
    const steady = points.slice(Math.max(1, Math.floor(points.length * WARM_UP_SHARE)));
    if (steady.length < MIN_POINTS) return undefined;
    const perRequest = computeSlope(steady.map((point) => [point.requests, select(point)]));
    const requests = steady.at(-1)!.requests - steady[0]!.requests;
    return perRequest > max && perRequest * requests > slack ? perRequest : undefined;
  };
  return {
    add(requests: number, { memory }: Measurement): void {
      points.push({ requests, held: memory.heapUsed, external: memory.external, resident: memory.rss });
    },
    formatLatest(): string {
      const { held, resident } = points.at(-1)!;
      return `${(held / MIB).toFixed(1)} MiB held, ${(resident / MIB).toFixed(0)} MiB resident`;
    },
    findProblems(): string[] {
      const held = measureGrowth(({ held }) => held, maxBytesPerRequest, slackBytes);
      const external = measureGrowth(({ external }) => external, MAX_BYTES_PER_REQUEST, EXTERNAL_SLACK_BYTES);
      const resident = measureGrowth(({ resident }) => resident, MAX_RESIDENT_BYTES_PER_REQUEST, RESIDENT_SLACK_BYTES);
      return [
        ...(held === undefined ? [] : [`memory grows by ${Math.round(held)} bytes a request`]),
        ...(external === undefined
          ? []
          : [`memory outside of the heap grows by ${Math.round(external)} bytes a request`]),
        ...(resident === undefined ? [] : [`resident memory grows by ${Math.round(resident)} bytes a request`]),
      ];
    },
  };
}
