import { SetupError } from '../core/errors.ts';
import { systemClock } from '../core/time/clock.ts';
import { type Config, toLocalUrl } from '../settings/config.ts';

const TIMEOUT_MS = 2000;
const WAIT_INTERVAL_MS = 100;

/** Checks whether an emulator is ready at the host and port of these settings. */
export async function isReady(config: Config): Promise<boolean> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(`${toLocalUrl(config)}/ready`, { signal, redirect: 'manual' }).catch(() => undefined);
  return response?.ok === true;
}

/**
 * Waits until an emulator is ready at the host and port of these settings.
 *
 * @throws SetupError when none is after `timeoutMs`
 */
export async function waitUntilReady(config: Config, timeoutMs: number, clock = systemClock): Promise<void> {
  const endMs = clock.nowMs() + timeoutMs;
  while (!(await isReady(config))) {
    const remainingMs = endMs - clock.nowMs();
    if (remainingMs <= 0) {
      const advice = 'start one, set --host and --port, or raise --timeout-ms';
      throw new SetupError(`No emulator is ready at ${toLocalUrl(config)} after ${timeoutMs} ms; ${advice}.`);
    }
    await clock.sleep(Math.min(WAIT_INTERVAL_MS, remainingMs));
  }
}
