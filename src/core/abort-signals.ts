import { AbortController, type AbortSignal } from './globals.ts';

/** A string, not an Error: an Error's stack would retain the frames that created it for as long as the signal lives. */
const ABORT_REASON = 'over';

/**
 * Returns a signal that aborts with the first of `signals` and then removes its listeners from the others.
 *
 * AbortSignal.any() leaves a weak reference at each source per derived signal, which adds up at sources that live as
 * long as the process. addEventListener() with a `signal` option leaks as well: Node keeps only the last such
 * registration per target alive, and garbage collection takes the others before they can remove their listeners.
 */
export function anySignal(signals: readonly AbortSignal[]): AbortSignal {
  const controller = new AbortController();
  const abort = () => {
    for (const signal of signals) signal.removeEventListener('abort', abort);
    controller.abort(ABORT_REASON);
  };
  if (signals.some(({ aborted }) => aborted)) controller.abort(ABORT_REASON);
  else for (const signal of signals) signal.addEventListener('abort', abort);
  return controller.signal;
}
