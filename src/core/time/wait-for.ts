import type { Events } from '../events.ts';
import type { Clock } from './clock.ts';

export type Until = ReturnType<typeof createUntil>;

export function createUntil(clock: Clock, events: Events) {
  /**
   * Resolves as soon as something happened to the account that makes `isSo` true, and also after `timeoutMs` of wall time or when `over`
   * aborts: the caller asks once more. Rejects with what `isSo` throws.
   */
  return async function until(
    accountId: number,
    isSo: () => boolean,
    timeoutMs: number,
    over: AbortSignal,
  ): Promise<void> {
    const done = new AbortController();
    let failure: { error: unknown } | undefined;
    const stop = events.listen((event) => {
      // What befalls the account itself ends the wait by `over`: it may be gone already.
      if (event.accountId !== accountId || event.type === 'account') return;
      try {
        if (isSo()) done.abort();
      } catch (error) {
        failure = { error };
        done.abort();
      }
    });
    try {
      await clock.sleep(timeoutMs, AbortSignal.any([done.signal, over]));
    } finally {
      stop();
    }
    if (failure) throw failure.error;
  };
}
