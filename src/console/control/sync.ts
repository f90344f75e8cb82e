import { pause, wallMs } from '../time.ts';

const LEAST_PAUSE_MS = 80;
/** Of the time, at most a third is spent asking. */
const PAUSE_FACTOR = 2;

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
      // What cannot be read now is read when the connection is back.
      await work().catch(() => {});
      await pause(Math.max(LEAST_PAUSE_MS, (wallMs() - began) * PAUSE_FACTOR));
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
