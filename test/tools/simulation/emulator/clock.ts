import type { Clock } from '../../../../src/core/time/clock.ts';
import { createTimers } from '../../../support/timers.ts';

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
  let turnEnd: (() => void)[] = [];
  const { timers, sleep, repeat, after, fire, clear } = createTimers(() => nowMs);

  return {
    nowMs: () => nowMs,
    ...{ sleep, repeat, after },
    atTurnEnd: (work) => void turnEnd.push(work),
    jumpTo(toMs) {
      nowMs = toMs;
      const due = [...timers].filter(({ atMs }) => atMs <= nowMs);
      while (due.length > 0) {
        const timer = due.splice(pick(due.length), 1)[0]!;
        // An earlier timer may have cancelled it.
        if (timers.has(timer)) fire(timer, nowMs, guard);
      }
    },
    nextTimerMs() {
      const times = [...timers].filter(({ everyMs }) => everyMs === undefined).map(({ atMs }) => atMs);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    runOneAtTurnEnd() {
      const [work] = turnEnd.length === 0 ? [] : turnEnd.splice(pick(turnEnd.length), 1);
      if (work) guard(work);
      return work !== undefined;
    },
    stop() {
      clear();
      turnEnd = [];
    },
  };
}
