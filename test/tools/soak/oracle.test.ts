import { describe, expect, it } from 'vitest';
import { computeGrowth, computeSteadiness, findLeakedHandles } from './oracle.ts';

const MIB = 1024 * 1024;
const LIMITS = { mibPerMinute: 1, p99Factor: 1.5, p99SlackMs: 5, cpuFactor: 1.25 };

/** A sample every ten seconds of a quarter of an hour. */
const createSamples = (mibAt: (minute: number) => number) =>
  Array.from({ length: 90 }, (_, n) => ({ atMs: 7000 + n * 10_000, bytes: mibAt(n / 6) * MIB }));

describe('the memory of a soak', () => {
  it('is flat where it only grows while it warms up', () => {
    expect(computeGrowth(createSamples((minute) => 100 + Math.min(minute, 4) * 20))).toBeCloseTo(0, 5);
  });

  it('is flat where it goes up and down', () => {
    expect(Math.abs(computeGrowth(createSamples((minute) => 150 + 20 * Math.sin(minute * 9))))).toBeLessThan(1);
  });

  it('grows by what leaks, whatever else goes up and down', () => {
    const growth = computeGrowth(createSamples((minute) => 150 + minute * 2 + 10 * Math.sin(minute * 9)));
    expect(growth).toBeGreaterThan(1.5);
    expect(growth).toBeLessThan(2.5);
  });
});

describe('the 99th percentile of a soak', () => {
  const createWindows = (p99: (n: number) => number, baseline: (n: number) => number = () => 2) =>
    Array.from({ length: 15 }, (_, n) => ({
      ...{ p99Ms: p99(n), yardstickP99Ms: baseline(n), cpuMsPerDeed: 1 + p99(n) / 100 },
    }));

  it('is steady in noise, and where one minute is bad', () => {
    expect(
      computeSteadiness(
        createWindows((n) => (n === 13 ? 900 : 10 + (n % 3))),
        LIMITS,
      ).isSteady,
    ).toBe(true);
  });

  it('is not where it doubles on the way', () => {
    const steadiness = computeSteadiness(
      createWindows((n) => 20 + n * 3),
      LIMITS,
    );
    expect(steadiness).toMatchObject({ isSteady: false, firstMs: 26, lastMs: 56, machineFactor: 1 });
    expect(steadiness.isCpuSteady).toBe(true);
    expect(
      computeSteadiness(
        createWindows((n) => 20 + n * 6),
        LIMITS,
      ).isCpuSteady,
    ).toBe(false);
  });

  it('is where the machine itself has become as slow', () => {
    const slower = (n: number) => 1 + n / 10;
    expect(
      computeSteadiness(
        createWindows((n) => 20 * slower(n), slower),
        LIMITS,
      ).isSteady,
    ).toBe(true);
    expect(
      computeSteadiness(
        createWindows((n) => 20 * slower(n)),
        LIMITS,
      ).isSteady,
    ).toBe(false);
  });
});

it('tells handles that are left, by kind, and not those that come and go', () => {
  const before = ['Timeout', 'TCPServerWrap'];
  expect(findLeakedHandles(before, ['TCPServerWrap', 'Timeout', 'Timeout'], 2)).toEqual([]);
  expect(findLeakedHandles(before, [...before, 'Timeout', 'Timeout', 'Timeout', 'TCPSocketWrap'], 2)).toEqual([
    '3 × Timeout',
  ]);
  expect(findLeakedHandles(before, [...before, 'TCPSocketWrap'], 0)).toEqual(['1 × TCPSocketWrap']);
});
