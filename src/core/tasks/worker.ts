import type { Accounts } from '../accounts/accounts.ts';
import type { Clock } from '../time/clock.ts';
import type { Timeline } from '../time/timeline.ts';

/** Maximum delay of a due transition that no poll applies. */
const TICK_MS = 50;
const ACCOUNTS_PER_BATCH = 200;
/** Pause before a failed account is retried; all accounts pause when the database rejects every write. */
const RETRY_MS = 1000;
/** Interval of saving what is kept in memory at first; a killed process loses at most this much. */
const SAVE_MS = 1000;

/**
 * Applies due transitions in a loop over the accounts' due times: no timer per task, one index lookup per idle tick.
 * @param save Persists what is kept in memory at first; called at intervals
 */
export function createWorker(clock: Clock, accounts: Accounts, timeline: Timeline, save: () => void) {
  let stops: (() => void)[] = [];
  let pausedUntilMs = Number.NEGATIVE_INFINITY;

  /**
   * Applies everything due by now and returns the number of transitions. An account that fails is retried later and
   * does not delay the others.
   * @throws the error of the last failed account, after all others are done
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

  /** @throws `error` when the postponement cannot be written either */
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
    /** Applies what fell due while the process was down, then repeats `tick`, also after a failed one. */
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
      stops = [clock.repeat(TICK_MS, withErrorHandler(tick)), clock.repeat(SAVE_MS, withErrorHandler(save))];
    },
    stop() {
      for (const stop of stops) stop();
      stops = [];
    },
  };
}
