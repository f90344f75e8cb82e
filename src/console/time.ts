import { signal } from '@preact/signals';

// The only file of the console that reads a clock. Wall time only measures how long ago something happened here; the
// emulator reports what time it is for an account.

/** Milliseconds since an arbitrary origin; only differences are meaningful. */
export const wallMs = (): number => performance.now();

/** Calls `run` once after `delayMs`. Returns a function that cancels it. */
export function schedule(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}

/** Resolves after `delayMs`, or as soon as `signal` aborts. */
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

/** Calls `run` every `periodMs` while the page is visible. Returns a function that stops it. */
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

/** Wall time for animated values: a component that reads it re-renders four times a second. */
export const tickMs = (): number => tick.value;
