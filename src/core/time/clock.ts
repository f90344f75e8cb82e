import {
  type AbortSignal,
  clearInterval,
  clearTimeout,
  Date,
  now,
  setImmediate,
  setInterval,
  setTimeout,
} from '../globals.ts';

/** Wall time and timers. No other code of the product reads the system clock or sets a timer. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Resolves with true after `ms`, or immediately with false when `signal` aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<boolean>;
  /** Calls `work` every `ms` until the returned function is called. Does not keep the process alive. */
  repeat(ms: number, work: () => void): () => void;
  /** Calls `work` once after `ms` unless the returned function is called first. Does not keep the process alive. */
  after(ms: number, work: () => void): () => void;
  /** Calls `work` at the end of the current event-loop turn, after its pending I/O callbacks. */
  atTurnEnd(work: () => void): void;
}

/** The last timestamp of every account's clock: the API formats timestamps with a four-digit year. */
export const LATEST_MS = Date.UTC(9999, 11, 31);
/** The first timestamp: the beginning of the year 0. */
export const EARLIEST_MS = Date.parse('0000-01-01T00:00:00Z');

/** The maximum delay of a Node.js timer, almost 25 days; longer ones fire immediately. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Wraps a clock so that it never goes back: when the system clock is set back, time continues from the last value. No
 * task regresses and no progress decreases.
 */
function monotonic(readMs: () => number): () => number {
  let aheadMs = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = readMs() + aheadMs;
    if (nowMs < lastMs) aheadMs += lastMs - nowMs;
    else lastMs = nowMs;
    return lastMs;
  };
}

/** Returns a system clock that never goes back. Each emulator has its own: one does not affect the time of another. */
export const createMonotonicClock = (): Clock => ({ ...systemClock, nowMs: monotonic(systemClock.nowMs) });

/** Returns a clock that starts at `minMs` or later, and how far the given clock is behind `minMs`. */
export function clampTo(clock: Clock, minMs: number): { clock: Clock; behindMs: number } {
  const behindMs = Math.max(0, minMs - clock.nowMs());
  if (behindMs === 0) return { clock, behindMs };
  return { clock: { ...clock, nowMs: () => clock.nowMs() + behindMs }, behindMs };
}

/** Returns a clock whose time stands still; its timers run. */
export function stopClock(clock: Clock): Clock {
  const stoppedMs = clock.nowMs();
  return { ...clock, nowMs: () => stoppedMs };
}

export const systemClock: Clock = {
  nowMs: now,
  sleep(ms, signal) {
    const boundedMs = Math.min(ms, MAX_TIMER_MS);
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve(false);
      const abort = () => {
        clearTimeout(timer);
        resolve(false);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort);
        resolve(true);
      }, boundedMs);
      signal?.addEventListener('abort', abort, { once: true });
    });
  },
  repeat(ms, work) {
    const timer = setInterval(work, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
  after(ms, work) {
    const timer = setTimeout(work, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  atTurnEnd: (work) => void setImmediate(work),
};

/** `real` follows the wall clock; `frozen` moves only when advanced; `auto` also moves when a task is polled. */
export type ClockMode = 'real' | 'frozen' | 'auto';

/** An account's clock as stored in the database. */
export interface AccountClock {
  clockMode: ClockMode;
  /** Offset to wall time on `real` clocks, the account's time itself on others. */
  clockMs: number;
  /** On `real` clocks, a task takes its simulated time divided by the speed; ignored on others. */
  speed: number;
}

/** Returns the account's time at wall time `wallMs`. */
export function accountTimeMs(clock: AccountClock, wallMs: number): number {
  return clock.clockMode === 'real' ? Math.min(wallMs + clock.clockMs, LATEST_MS) : clock.clockMs;
}

/** Returns the `clockMs` of a clock that shows `accountMs` at wall time `wallMs`. */
export const toClockMs = (mode: ClockMode, accountMs: number, wallMs: number): number =>
  mode === 'real' ? accountMs - wallMs : accountMs;

/** Returns the wall time at which an account's clock reaches `accountMs`; null on clocks that must be advanced. */
export function wallTimeMs(clock: AccountClock, accountMs: number): number | null {
  return clock.clockMode === 'real' ? accountMs - clock.clockMs : null;
}

/** Returns the simulated milliseconds per millisecond of the account's clock. */
export function timeScale(clock: AccountClock): number {
  return clock.clockMode === 'real' ? clock.speed : 1;
}
