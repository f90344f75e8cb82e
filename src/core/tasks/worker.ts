import type { Accounts } from '../accounts/accounts.ts';
import type { Clock } from '../time/clock.ts';
import type { RateLimiter } from '../time/rate-limiter.ts';
import type { Timeline } from '../time/timeline.ts';

/** How late a change may be played when nobody polls for it. */
const TICK_MS = 50;
const ACCOUNTS_PER_BATCH = 200;
/** How long an account that cannot be played is left alone; when nothing can be written at all, everybody is. */
const RETRY_MS = 1000;
/** How much of the limiter's counts a killed process may lose. */
const RATE_LIMITER_SAVE_MS = 1000;

/** One loop over the accounts' next due times. There is no timer per task, and an idle tick is one index look-up. */
export function createWorker(clock: Clock, accounts: Accounts, timeline: Timeline, rateLimiter: RateLimiter) {
  let stops: (() => void)[] = [];
  let pausedUntilMs = Number.NEGATIVE_INFINITY;

  /**
   * Plays all that is due by now and answers how many changes that were. An account that cannot be played is looked at
   * again later and does not keep the others waiting.
   * @throws what the last such account threw, when all others are played
   */
  function tick(): number {
    if (clock.nowMs() < pausedUntilMs) return 0;
    let applied = 0;
    let failure: { error: unknown } | undefined;
    for (;;) {
      const ids = accounts.dueAccounts(clock.nowMs(), ACCOUNTS_PER_BATCH);
      for (const id of ids) {
        try {
          applied += timeline.applyDue(id).length;
        } catch (error) {
          failure = { error };
          postpone(id, error);
        }
      }
      if (ids.length < ACCOUNTS_PER_BATCH) break;
    }
    if (failure) throw failure.error;
    return applied;
  }

  /** @throws `error` when not even this can be written */
  function postpone(accountId: number, error: unknown): void {
    try {
      accounts.setWake(accountId, clock.nowMs() + RETRY_MS);
    } catch {
      pausedUntilMs = clock.nowMs() + RETRY_MS;
      throw error;
    }
  }

  return {
    tick,
    /** Catches up with what fell due while the process was down, then repeats `tick`; a failed one is tried again. */
    start(onError: (error: unknown) => void) {
      const withErrorHandler = (work: () => void) => () => {
        try {
          work();
        } catch (error) {
          onError(error);
        }
      };
      if (stops.length > 0) return;
      withErrorHandler(tick)();
      stops = [
        clock.repeat(TICK_MS, withErrorHandler(tick)),
        clock.repeat(RATE_LIMITER_SAVE_MS, withErrorHandler(rateLimiter.save)),
      ];
    },
    stop() {
      for (const stop of stops) stop();
      stops = [];
    },
  };
}
