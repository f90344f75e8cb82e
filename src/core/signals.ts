/**
 * Aborts when the first of these does, and leaves nothing behind at the others from then on. AbortSignal.any keeps a trace of
 * each signal it makes at those it is made of, and some of ours live as long as the emulator.
 */
export function firstOf(signals: readonly AbortSignal[]): AbortSignal {
  const first = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) {
      first.abort();
      break;
    }
    signal.addEventListener('abort', () => first.abort(), { once: true, signal: first.signal });
  }
  return first.signal;
}
