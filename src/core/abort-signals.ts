/** Instead of an error: its stack would keep alive what was at work where it was made, for as long as a signal is known. */
const ABORT_REASON = 'over';

/**
 * Aborts when the first of these does, and leaves nothing behind at the others from then on. AbortSignal.any keeps a trace of
 * each signal it makes at those it is made of, and some of ours live as long as the emulator. Listeners that are to go by a `signal`
 * of their own stay as well: Node keeps only the last such tie of each target, and the others are collected as garbage.
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
