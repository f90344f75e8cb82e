/** Wall time and waiting. Nothing else in the product asks the system for the time or sets a timer. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Resolves after `ms`, or at once with `false` when `signal` aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<boolean>;
  /** Calls `work` every `ms` until the returned function is called. Does not keep the process alive. */
  repeat(ms: number, work: () => void): () => void;
  /** Calls `work` once after `ms` unless the returned function is called first. Does not keep the process alive. */
  after(ms: number, work: () => void): () => void;
  /** Calls `work` when all that is at hand in this turn of the event loop is done. */
  atTurnEnd(work: () => void): void;
}

/** Where every account's time ends: moments are told as texts with a year of four digits. */
export const LATEST_MS = Date.UTC(9999, 11, 31);

/** 25 days, nearly. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The machine's time, but never less than before: when the machine's clock is set back, ours goes on from where it was. So no
 * task comes undone and no progress falls.
 */
export function monotonic(readMs: () => number): () => number {
  let aheadMs = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = readMs() + aheadMs;
    if (nowMs < lastMs) aheadMs += lastMs - nowMs;
    else lastMs = nowMs;
    return lastMs;
  };
}

/** A clock that goes on from `leastMs` where the given one is behind that, and by how much it is. */
export function clampTo(clock: Clock, minMs: number): { clock: Clock; behindMs: number } {
  const behindMs = Math.max(0, minMs - clock.nowMs());
  if (behindMs === 0) return { clock, behindMs };
  return { clock: { ...clock, nowMs: () => clock.nowMs() + behindMs }, behindMs };
}

export const systemClock: Clock = {
  nowMs: monotonic(() => Date.now()),
  sleep(ms, signal) {
    // A longer one would end at once.
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

/** An account's clock as it is stored. `clockMs`: on `real` what is added to wall time, else the time itself. */
export interface AccountClock {
  clockMode: ClockMode;
  clockMs: number;
  /** Simulated generation time divided by this is the wait, on `real` clocks only. */
  speed: number;
}

/** What time it is for an account when the wall clock shows `wallMs`. */
export function accountTimeMs(clock: AccountClock, wallMs: number): number {
  return clock.clockMode === 'real' ? wallMs + clock.clockMs : clock.clockMs;
}

/** The wall time at which an account's clock will show `accountMs`; null when it will not get there by itself. */
export function wallTimeMs(clock: AccountClock, accountMs: number): number | null {
  return clock.clockMode === 'real' ? accountMs - clock.clockMs : null;
}

/** Simulated milliseconds that pass in one millisecond of the account's clock. */
export function timeScale(clock: AccountClock): number {
  return clock.clockMode === 'real' ? clock.speed : 1;
}
