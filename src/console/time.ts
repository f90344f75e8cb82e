import { signal } from '@preact/signals';

// The only file of the page that asks for the time. It is wall time, and only ever used as a distance: what time it is for an
// account, the emulator says.

/** In milliseconds, from some moment on. */
export const wallMs = (): number => performance.now();

/** Calls `run` once; the function that it gives takes that back. */
export function schedule(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}

export const pause = (delayMs: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = schedule(delayMs, end);
    signal?.addEventListener('abort', end);
  });

/** Again and again while somebody looks at the page; the function that it gives ends that. */
export function scheduleEvery(periodMs: number, run: () => void): () => void {
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible') run();
  }, periodMs);
  return () => clearInterval(timer);
}

const TICK_INTERVAL_MS = 250;
const tick = signal(wallMs());
scheduleEvery(TICK_INTERVAL_MS, () => {
  tick.value = wallMs();
});

/** Wall time for what moves by itself: whoever reads it is drawn again four times a second. */
export const tickMs = (): number => tick.value;
