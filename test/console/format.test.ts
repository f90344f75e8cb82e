import { describe, expect, it } from 'vitest';
import {
  formatAgo,
  formatDateTime,
  formatTime,
  shortenId,
  toIsoString,
  truncate,
} from '../../src/console/components/format.ts';

describe('timestamps', () => {
  it.each([
    [Date.UTC(2026, 0, 15, 12, 0, 0, 7), '2026-01-15 12:00:00', '12:00:00.007'],
    // A real clock can be set to the end of the year 9999, and then runs on.
    [Date.UTC(10_000, 0, 1, 0, 0, 1), '10000-01-01 00:00:01', '00:00:01.000'],
    [Number.MAX_SAFE_INTEGER, '275760-09-13 00:00:00', '00:00:00.000'],
    [Number.MIN_SAFE_INTEGER, '-271821-04-20 00:00:00', '00:00:00.000'],
  ])('are formatted in any year: %d', (ms, day, time) => {
    expect([formatDateTime(toIsoString(ms)), formatTime(toIsoString(ms))]).toEqual([day, time]);
  });
});

describe('truncate', () => {
  it.each([
    ['abc', 3, 'abc'],
    ['abcd', 3, 'abc'],
    ['ab😀d', 4, 'ab😀'],
    ['ab😀d', 3, 'ab'],
  ])('does not split surrogate pairs: %s, %d', (text, maxLength, expected) => {
    expect(truncate(text, maxLength)).toBe(expected);
  });
});

describe('shortenId', () => {
  it.each([
    ['task_10b2650000001ca9e7bc90ed', 'task_10b…bc90ed'],
    ['task_1234567890', 'task_1234567890'],
    ['', ''],
  ])('shortens long ids in the middle: %s', (id, expected) => {
    expect(shortenId(id)).toBe(expected);
  });
});

describe('formatAgo', () => {
  it.each([
    [0, 'just now'],
    [4999, 'just now'],
    [5000, '5 s ago'],
    [119_999, '1 min ago'],
    [7_200_000, '2 h ago'],
    [172_800_000, '2 d ago'],
  ])('uses the largest unit: %d ms', (ms, expected) => {
    expect(formatAgo(ms)).toBe(expected);
  });
});
