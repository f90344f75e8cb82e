import type { Events } from '../events.ts';
import type { Clock } from './clock.ts';

export type WaitFor = ReturnType<typeof createWaiter>;

export function createWaiter(clock: Clock, events: Events) {
  /**
   * Resolves as soon as something happened to the account that makes `isSo` true, and also after `timeoutMs` of wall time or when `over`
   * aborts: the caller asks once more. Rejects with what `isSo` throws.
   */
  return async function waitFor(
    accountId: number,
    condition: () => boolean,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const done = new AbortController();
    let failure: { error: unknown } | undefined;
    const stop = events.listen((event) => {
      // What befalls the account itself ends the wait by `over`: it may be gone already.
      if (event.accountId !== accountId || event.type === 'account') return;
      try {
        if (condition()) done.abort();
      } catch (error) {
        failure = { error };
        done.abort();
      }
    });
    try {
      await clock.sleep(timeoutMs, AbortSignal.any([done.signal, signal]));
    } finally {
      stop();
    }
    if (failure) throw failure.error;
  };
}
