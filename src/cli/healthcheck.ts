import { type Config, toLocalUrl } from '../settings/config.ts';

const TIMEOUT_MS = 2000;

/** Checks whether an emulator is ready at the host and port of these settings. */
export async function isReady(config: Config): Promise<boolean> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(`${toLocalUrl(config)}/ready`, { signal, redirect: 'manual' }).catch(() => undefined);
  return response?.ok === true;
}
