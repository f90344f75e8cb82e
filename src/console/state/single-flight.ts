import { pause, wallMs } from '../time.ts';
import { ApiError } from './api.ts';

const MIN_PAUSE_MS = 80;
/** Of the time, at most a third is spent asking. */
const PAUSE_FACTOR = 2;
const RETRY_MS = 3000;

/**
 * Runs `work` when it is called for, one at a time: calls that come while it runs are one more run after it. What many small changes
 * ask for is asked once.
 */
export function createSingleFlight(work: () => Promise<void>) {
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
      await pause(Math.max(MIN_PAUSE_MS, (wallMs() - startedMs) * PAUSE_FACTOR));
      if (failure === undefined || isNotFound(failure)) continue;
      // A connection that comes back asks for all of it again; one that never went does not.
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

/** There is nothing to be read, now and later. */
const isNotFound = (error: unknown) => error instanceof ApiError && error.code.endsWith('_NOT_FOUND');
