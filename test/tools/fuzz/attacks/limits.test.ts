import { describe, expect, it } from 'vitest';
import {
  computePollTimes,
  findPollProblems,
  findResidentProblem,
  findUnaccountedProblem,
  isSlow,
  type ProbeResult,
} from './limits.ts';

const MIB = 1024 * 1024;

const createResult = (ms: number[], idleMs: number, overrides: Partial<ProbeResult> = {}): ProbeResult => ({
  ...{ polls: ms.map((time) => ({ status: 200, ms: time })), idlePolls: ms.map(() => idleMs), unanswered: 0 },
  ...overrides,
});

describe('fuzz limits: polls of another client', () => {
  const mostlyFast = (slow: number) => Array.from({ length: 100 }, (_, n) => (n < slow ? 900 : 5));

  it('accept a single slow poll in a hundred, and reject two', () => {
    expect(isSlow(createResult(mostlyFast(1), 1))).toBe(false);
    expect(isSlow(createResult(mostlyFast(2), 1))).toBe(true);
  });

  it('allow more time when an idle server is slow, too', () => {
    const times = Array.from({ length: 100 }, () => 150);
    expect(computePollTimes(createResult(times, 1))).toEqual({ p99Ms: 150, limitMs: 104 });
    expect(isSlow(createResult(times, 1))).toBe(true);
    expect(isSlow(createResult(times, 20))).toBe(false);
  });

  it('ignore the percentile of too few polls', () => {
    expect(isSlow(createResult([900, 900, 900], 1))).toBe(false);
  });

  it('report missing and failed responses', () => {
    expect(findPollProblems(createResult([5], 1))).toEqual([]);
    expect(findPollProblems(createResult([5], 1, { polls: [{ status: 503, ms: 5 }] }))).toEqual([]);
    expect(findPollProblems(createResult([5], 1, { unanswered: 2 }))).toEqual([
      '2 polls of another client got no response',
    ]);
    expect(findPollProblems(createResult([5], 1, { polls: [{ status: 500, ms: 5 }] }))).toEqual([
      '1 polls of another client failed, the first with 500',
    ]);
  });
});

describe('fuzz limits: memory', () => {
  it('report a peak of resident memory over the limit', () => {
    expect(findResidentProblem(390 * MIB)).toBeUndefined();
    expect(findResidentProblem(undefined)).toBeUndefined();
    expect(findResidentProblem(410 * MIB)).toBe('resident memory reached 410 MiB, more than 400');
  });

  it('report growth of the heap that the memory account does not contain', () => {
    const measure = (heap: number, accounted: number) => ({ heapBytes: heap * MIB, accountedBytes: accounted * MIB });
    expect(findUnaccountedProblem(measure(30, 0), measure(60, 0))).toBeUndefined();
    expect(findUnaccountedProblem(measure(30, 0), measure(160, 60))).toBeUndefined();
    expect(findUnaccountedProblem(measure(30, 0), measure(160, 1))).toBe(
      'the heap grew by 130 MiB, but the memory account only by 1',
    );
  });
});
