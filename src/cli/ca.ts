import { SetupError } from '../core/errors.ts';
import { openAuthority } from '../proxy/certificate-authority.ts';
import type { Config } from '../settings/config.ts';
import { toLocalUrl } from '../settings/config.ts';

/**
 * Reads the CA certificate in PEM. With a data directory, it is the one stored there, which is created if necessary;
 * otherwise it is that of the emulator running at the host and port of these settings.
 *
 * @throws SetupError when no emulator responds
 */
export async function readCaCertificate(config: Config): Promise<string> {
  if (config.dataDir !== undefined) return (await openAuthority(config.dataDir)).certificate;
  const url = `${toLocalUrl(config)}/ca.pem`;
  const response = await fetch(url).catch(() => undefined);
  if (response?.ok) return response.text();
  throw new SetupError(`No emulator responds at ${url}; start one, set --host and --port, or set --data-dir.`);
}
