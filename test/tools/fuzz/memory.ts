import type { Measurement } from '../../support/server-process.ts';
import { slopeOf } from '../../support/trend.ts';

const MIB = 1024 * 1024;
/** In the first of these nothing is steady yet: code is compiled, caches fill. */
const WARM_UP_SHARE = 0.3;
const LEAST_POINTS = 3;
/** For what is held outside of the heap. */
const MOST_BYTES_PER_REQUEST = 200;
/** Images that have been drawn are kept up to 64 MiB: below that it grows by right. */
const EXTERNAL_SLACK_BYTES = 80 * MIB;
/** Pages that an allocator keeps come and go by tens of MiB; that they grow all the time is another thing. */
const MOST_RESIDENT_BYTES_PER_REQUEST = 400;
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
  mostBytesPerRequest,
}: {
  /** What other cases leave or take in caches and compiled code. */
  slackBytes: number;
  mostBytesPerRequest: number;
}) {
  const points: Point[] = [];
  const grown = (of: (point: Point) => number, most: number, slack: number): number | undefined => {
    const steady = points.slice(Math.max(1, Math.floor(points.length * WARM_UP_SHARE)));
    if (steady.length < LEAST_POINTS) return undefined;
    const perRequest = slopeOf(steady.map((point) => [point.requests, of(point)]));
    const requests = steady.at(-1)!.requests - steady[0]!.requests;
    return perRequest > most && perRequest * requests > slack ? perRequest : undefined;
  };
  return {
    add(requests: number, { memory }: Measurement): void {
      points.push({ requests, held: memory.heapUsed, external: memory.external, resident: memory.rss });
    },
    shown(): string {
      const { held, resident } = points.at(-1)!;
      return `${(held / MIB).toFixed(1)} MiB held, ${(resident / MIB).toFixed(0)} MiB resident`;
    },
    problems(): string[] {
      const held = grown(({ held }) => held, mostBytesPerRequest, slackBytes);
      const external = grown(({ external }) => external, MOST_BYTES_PER_REQUEST, EXTERNAL_SLACK_BYTES);
      const resident = grown(
        ({ resident }) => resident,
        MOST_RESIDENT_BYTES_PER_REQUEST,
        RESIDENT_SLACK_BYTES,
      );
      return [
        ...(held === undefined ? [] : [`memory grows by ${Math.round(held)} bytes a request`]),
        ...(external === undefined
          ? []
          : [`memory outside of the heap grows by ${Math.round(external)} bytes a request`]),
        ...(resident === undefined
          ? []
          : [`resident memory grows by ${Math.round(resident)} bytes a request`]),
      ];
    },
  };
}
