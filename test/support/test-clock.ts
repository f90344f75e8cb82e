import type { Clock } from '../../src/core/time/clock.ts';

interface Timer {
  atMs: number;
  everyMs: number | undefined;
  work: () => void;
}

/** A wall clock that only moves when a test advances it. */
export interface TestClock extends Clock {
  /** Advances the time and fires the timers on the way, in order. */
  advance(ms: number): void;
  /** Sets the time, in either direction, without firing timers, like a change of the system clock. */
  set(nowMs: number): void;
}

export const START_MS = Date.UTC(2026, 0, 15, 12);

export function createTestClock(startMs = START_MS): TestClock {
  let nowMs = startMs;
  const timers = new Set<Timer>();
  const add = (timer: Timer) => {
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  return {
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve(false);
        if (ms <= 0) return void setImmediate(() => resolve(true));
        const abort = () => {
          cancel();
          resolve(false);
        };
        const work = () => {
          signal?.removeEventListener('abort', abort);
          resolve(true);
        };
        const cancel = add({ atMs: nowMs + ms, everyMs: undefined, work });
        signal?.addEventListener('abort', abort, { once: true });
      }),
    repeat: (ms, work) => add({ atMs: nowMs + ms, everyMs: ms, work }),
    after: (ms, work) => add({ atMs: nowMs + ms, everyMs: undefined, work }),
    atTurnEnd: (work) => void setImmediate(work),
    advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        const [next] = [...timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
        if (!next) break;
        nowMs = next.atMs;
        if (next.everyMs === undefined) timers.delete(next);
        else next.atMs += next.everyMs;
        next.work();
      }
      nowMs = endMs;
    },
    set(ms) {
      nowMs = ms;
    },
  };
}
