import { pause, wallMs } from '../time.ts';
import { ApiError } from './api.ts';

const MIN_PAUSE_MS = 80;
/** The pause after a run, as a multiple of its duration: by default, runs take up at most a third of the time. */
const PAUSE_FACTOR = 2;
const RETRY_MS = 3000;

/**
 * Runs `work` on request, one run at a time. Requests that arrive during a run share a single further run, so that many
 * small changes cause one read. A failed run is retried, unless the resource does not exist.
 */
export function createSingleFlight(
  work: () => Promise<void>,
  { minPauseMs = MIN_PAUSE_MS, pauseFactor = PAUSE_FACTOR } = {},
) {
  let isPending = false;
  let isRunning = false;
  let isStopped = false;

  async function run(): Promise<void> {
    isRunning = true;
    while (isPending && !isStopped) {
      isPending = false;
      const startedMs = wallMs();
      const failure = await work().then(
        () => undefined,
        (error: unknown) => error,
      );
      await pause(Math.max(minPauseMs, (wallMs() - startedMs) * pauseFactor));
      if (failure === undefined || isNotFound(failure)) continue;
      // Retry here: a resync only follows a reconnect, and the event stream may still be connected.
      isPending = true;
      await pause(RETRY_MS);
    }
    isRunning = false;
  }

  return {
    request(): void {
      isPending = true;
      if (!isRunning && !isStopped) void run();
    },
    stop(): void {
      isStopped = true;
    },
    isStopped: (): boolean => isStopped,
  };
}

/** Whether the resource does not exist, so that a retry would not help. */
export const isNotFound = (error: unknown): boolean => error instanceof ApiError && error.code.endsWith('_NOT_FOUND');
