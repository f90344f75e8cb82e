import { describe, expect, it } from 'vitest';
import { computeGrowth, computeSteadiness, findLeakedHandles } from './oracle.ts';

const MIB = 1024 * 1024;
const LIMITS = { mibPerMinute: 1, p99Factor: 1.5, p99SlackMs: 5, cpuFactor: 1.25 };

/** A sample every ten seconds of a quarter of an hour. */
const createSamples = (mibAt: (minute: number) => number) =>
  Array.from({ length: 90 }, (_, n) => ({ atMs: 7000 + n * 10_000, bytes: mibAt(n / 6) * MIB }));

describe('soak oracle: memory growth', () => {
  it('is zero when memory only grows during the warm-up', () => {
    expect(computeGrowth(createSamples((minute) => 100 + Math.min(minute, 4) * 20))).toBeCloseTo(0, 5);
  });

  it('is near zero when memory goes up and down', () => {
    expect(Math.abs(computeGrowth(createSamples((minute) => 150 + 20 * Math.sin(minute * 9))))).toBeLessThan(1);
  });

  it('finds a leak among variations', () => {
    const growth = computeGrowth(createSamples((minute) => 150 + minute * 2 + 10 * Math.sin(minute * 9)));
    expect(growth).toBeGreaterThan(1.5);
    expect(growth).toBeLessThan(2.5);
  });
});

describe('soak oracle: steadiness', () => {
  const createWindows = (p99: (n: number) => number, baseline: (n: number) => number = () => 2) =>
    Array.from({ length: 15 }, (_, n) => ({
      ...{ p99Ms: p99(n), baselineP99Ms: baseline(n), cpuMsPerOperation: 1 + p99(n) / 100 },
    }));

  it('accepts noise and a single bad window', () => {
    expect(
      computeSteadiness(
        createWindows((n) => (n === 13 ? 900 : 10 + (n % 3))),
        LIMITS,
      ).isSteady,
    ).toBe(true);
  });

  it('rejects a doubling of the 99th percentile or of the CPU time', () => {
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

  it('accepts a slowdown that the baseline server shows too', () => {
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

it('soak oracle › lists leaked handles by kind and ignores variation within the slack', () => {
  const before = ['Timeout', 'TCPServerWrap'];
  expect(findLeakedHandles(before, ['TCPServerWrap', 'Timeout', 'Timeout'], 2)).toEqual([]);
  expect(findLeakedHandles(before, [...before, 'Timeout', 'Timeout', 'Timeout', 'TCPSocketWrap'], 2)).toEqual([
    '3 × Timeout',
  ]);
  expect(findLeakedHandles(before, [...before, 'TCPSocketWrap'], 0)).toEqual(['1 × TCPSocketWrap']);
});
