import type { Accounts } from './accounts.ts';
import type { Clock } from './clock.ts';
import type { Timeline } from './timeline.ts';

/** How late a change may be played when nobody polls for it. */
const TICK_MS = 50;
const ACCOUNTS_PER_TICK = 200;

export type Worker = ReturnType<typeof createWorker>;

/** One loop over the accounts' next due times. There is no timer per task, and an idle tick is one index look-up. */
export function createWorker(clock: Clock, accounts: Accounts, timeline: Timeline) {
  let stop: (() => void) | undefined;

  /** Plays all that is due by now and answers how many changes that were. */
  function tick(): number {
    let played = 0;
    for (;;) {
      const ids = accounts.toWake(clock.nowMs(), ACCOUNTS_PER_TICK);
      for (const id of ids) played += timeline.settle(id).length;
      if (ids.length < ACCOUNTS_PER_TICK) return played;
    }
  }

  return {
    tick,
    /** Catches up with what fell due while the process was down, then repeats `tick`; a failed one is tried again. */
    start(onError: (error: unknown) => void) {
      tick();
      stop ??= clock.repeat(TICK_MS, () => {
        try {
          tick();
        } catch (error) {
          onError(error);
        }
      });
    },
    stop() {
      stop?.();
      stop = undefined;
    },
  };
}
