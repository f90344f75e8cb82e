import { describe, expect, it } from 'vitest';
import type { Measurement } from '../../../support/server-process.ts';
import { createMemoryWatch } from '../memory.ts';

const MIB = 1024 * 1024;

/** Problems found in measurements after each thousand requests. */
function findProblems(heapMib: (n: number) => number, residentMib: (n: number) => number = () => 150): string[] {
  const watch = createMemoryWatch({ slackBytes: MIB, maxBytesPerRequest: 350 });
  for (let n = 0; n < 20; n++) {
    const memory = { heapUsed: heapMib(n) * MIB, rss: residentMib(n) * MIB, external: 0 };
    watch.add(n * 1000, { memory } as Measurement);
  }
  return watch.findProblems();
}

describe('fuzz memory watch', () => {
  it('reports a heap that only grows', () => {
    expect(findProblems((n) => 25 + n)).toEqual(['the heap grows by 1049 bytes per request']);
  });

  it('accepts a heap that is freed from time to time', () => {
    expect(findProblems((n) => 25 + (n % 5))).toEqual([]);
  });

  it('reports resident memory that only grows, or that stays high', () => {
    expect(
      findProblems(
        () => 25,
        (n) => 150 + n * 5,
      ),
    ).toEqual(['resident memory grows by 5243 bytes per request']);
    expect(
      findProblems(
        () => 25,
        () => 420,
      ),
    ).toEqual(['resident memory is still 420 MiB after a reset and a garbage collection']);
  });
});
