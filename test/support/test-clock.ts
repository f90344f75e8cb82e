import type { Clock } from '../../src/core/time/clock.ts';
import { createTimers } from './timers.ts';

/** A wall clock that only moves when a test advances it. */
export interface TestClock extends Clock {
  /** Advances the time and fires the timers on the way, in order. */
  advance(ms: number): void;
  /** Sets the time, in either direction, without firing timers, like a change of the system clock. */
  set(nowMs: number): void;
}

export const START_MS = Date.UTC(2026, 0, 15, 12);

/** How often a repeated timer fires at most in one advance. Otherwise, the worker would tick 72,000 times an hour. */
const MAX_REPETITIONS = 1000;

export function createTestClock(startMs = START_MS): TestClock {
  let nowMs = startMs;
  const { timers, sleep, repeat, after, fire } = createTimers(() => nowMs);
  return {
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
      ms > 0 || signal?.aborted ? sleep(ms, signal) : new Promise((resolve) => void setImmediate(() => resolve(true))),
    repeat,
    after,
    atTurnEnd: (work) => void setImmediate(work),
    advance(ms) {
      const endMs = nowMs + ms;
      const minIntervalMs = Math.ceil(ms / MAX_REPETITIONS);
      for (;;) {
        const [next] = [...timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
        if (!next) break;
        nowMs = next.atMs;
        fire(next, nowMs + Math.max(0, minIntervalMs - (next.everyMs ?? minIntervalMs)));
      }
      nowMs = endMs;
      // Those that would have fired since.
      for (const timer of [...timers].filter(({ everyMs = ms }) => everyMs < minIntervalMs)) {
        if (timers.has(timer)) fire(timer, nowMs);
      }
    },
    set(ms) {
      nowMs = ms;
    },
  };
}
