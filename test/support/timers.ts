import type { Clock } from '../../src/core/time/clock.ts';

interface Timer {
  atMs: number;
  /** Undefined for a timer that fires once. */
  everyMs: number | undefined;
  work: () => void;
}

/** Creates the timers of a clock that does not move by itself. Its owner fires them. */
export function createTimers(nowMs: () => number) {
  const timers = new Set<Timer>();
  const add = (timer: Timer) => {
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  const sleep: Clock['sleep'] = (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve(false);
      const abort = () => {
        cancel();
        resolve(false);
      };
      const work = () => {
        signal?.removeEventListener('abort', abort);
        resolve(true);
      };
      const cancel = add({ atMs: nowMs() + Math.max(0, ms), everyMs: undefined, work });
      signal?.addEventListener('abort', abort, { once: true });
    });
  return {
    timers: timers as ReadonlySet<Timer>,
    sleep,
    repeat: (everyMs: number, work: () => void) => add({ atMs: nowMs() + everyMs, everyMs, work }),
    after: (ms: number, work: () => void) => add({ atMs: nowMs() + ms, everyMs: undefined, work }),
    /** Fires a timer, which the owner has chosen; a repeated one is due again after its interval from `fromMs`. */
    fire(timer: Timer, fromMs: number, guard = (work: () => void) => work()): void {
      if (timer.everyMs === undefined) timers.delete(timer);
      else timer.atMs = fromMs + timer.everyMs;
      guard(timer.work);
    },
    clear: () => timers.clear(),
  };
}
