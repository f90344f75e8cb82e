import type { Clock } from '../../../../src/core/time/clock.ts';

interface Timer {
  atMs: number;
  everyMs: number | undefined;
  work: () => void;
}

export interface SimulatedClock extends Clock {
  /**
   * Sets the time and fires what is due in an order that `pick` chooses. A repeated timer fires once, however many of
   * its intervals have passed, as in a process that was suspended.
   */
  jumpTo(nowMs: number): void;
  /** Returns when the earliest timer that is not repeated fires; undefined without one. */
  nextTimerMs(): number | undefined;
  /** Runs one of the pieces of work that wait for the end of the turn. Returns false when there is none. */
  runOneAtTurnEnd(): boolean;
  /** Removes all timers and work, as the end of the process does. */
  stop(): void;
}

/**
 * Creates a clock that owns all time and all deferred work of an emulator.
 * @param pick Returns an index below the given length; it decides what runs next
 * @param guard Runs a piece of work; it may stop the clock instead of throwing
 */
export function createSimulatedClock(
  startMs: number,
  pick: (length: number) => number,
  guard: (work: () => void) => void,
): SimulatedClock {
  let nowMs = startMs;
  let timers: Timer[] = [];
  let turnEnd: (() => void)[] = [];

  function add(timer: Timer): () => void {
    timers.push(timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  }

  return {
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
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
        const cancel = add({ atMs: nowMs + Math.max(0, ms), everyMs: undefined, work });
        signal?.addEventListener('abort', abort, { once: true });
      }),
    repeat: (everyMs, work) => add({ atMs: nowMs + everyMs, everyMs, work }),
    after: (ms, work) => add({ atMs: nowMs + ms, everyMs: undefined, work }),
    atTurnEnd: (work) => void turnEnd.push(work),
    jumpTo(toMs) {
      nowMs = toMs;
      const due = timers.filter(({ atMs }) => atMs <= nowMs);
      while (due.length > 0) {
        const [timer] = due.splice(pick(due.length), 1) as [Timer];
        // An earlier timer may have cancelled it.
        if (!timers.includes(timer)) continue;
        if (timer.everyMs === undefined) timers.splice(timers.indexOf(timer), 1);
        else timer.atMs = nowMs + timer.everyMs;
        guard(timer.work);
      }
    },
    nextTimerMs() {
      const times = timers.filter(({ everyMs }) => everyMs === undefined).map(({ atMs }) => atMs);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    runOneAtTurnEnd() {
      const [work] = turnEnd.length === 0 ? [] : turnEnd.splice(pick(turnEnd.length), 1);
      if (work) guard(work);
      return work !== undefined;
    },
    stop() {
      timers = [];
      turnEnd = [];
    },
  };
}
