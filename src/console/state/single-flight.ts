import { pause, wallMs } from '../time.ts';
import { Refusal } from './api.ts';

const LEAST_PAUSE_MS = 80;
/** Of the time, at most a third is spent asking. */
const PAUSE_FACTOR = 2;
const RETRY_MS = 3000;

/**
 * Runs `work` when it is called for, one at a time: calls that come while it runs are one more run after it. What many small changes
 * ask for is asked once.
 */
export function createSync(work: () => Promise<void>) {
  let isWanted = false;
  let isRunning = false;
  let isStopped = false;

  async function run(): Promise<void> {
    isRunning = true;
    while (isWanted && !isStopped) {
      isWanted = false;
      const began = wallMs();
      const failure = await work().then(
        () => undefined,
        (error: unknown) => error,
      );
      await pause(Math.max(LEAST_PAUSE_MS, (wallMs() - began) * PAUSE_FACTOR));
      if (failure === undefined || isGone(failure)) continue;
      // A connection that comes back asks for all of it again; one that never went does not.
      isWanted = true;
      await pause(RETRY_MS);
    }
    isRunning = false;
  }

  return {
    request(): void {
      isWanted = true;
      if (!isRunning && !isStopped) void run();
    },
    stop(): void {
      isStopped = true;
    },
    isStopped: (): boolean => isStopped,
  };
}

/** There is nothing to be read, now and later. */
const isGone = (error: unknown) => error instanceof Refusal && error.code.endsWith('_NOT_FOUND');
