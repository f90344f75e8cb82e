import type { Config } from '../settings/config.ts';

const TIMEOUT_MS = 2000;

/** Checks whether an emulator is ready at the host and port of these settings. */
export async function isReady(config: Config): Promise<boolean> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(`${toLocalUrl(config)}/ready`, { signal, redirect: 'manual' }).catch(() => undefined);
  return response?.ok === true;
}

/** The URL at which programs on this machine reach an emulator with these settings. */
export function toLocalUrl({ host, port }: Pick<Config, 'host' | 'port'>): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
