import { X509Certificate } from 'node:crypto';
import { request } from '../conformance/http-client.ts';
import { SetupError } from '../core/errors.ts';
import { openAuthority } from '../proxy/certificate-authority.ts';
import type { Config } from '../settings/config.ts';
import { toLocalUrl } from '../settings/config.ts';

const TIMEOUT_MS = 10_000;

/**
 * Reads the CA certificate in PEM. With a data directory, it is the one stored there, which is created if necessary;
 * otherwise it is that of the emulator running at the host and port of these settings.
 *
 * @throws SetupError when no emulator responds, or something else does
 */
export async function readCaCertificate(config: Config): Promise<string> {
  if (config.dataDir !== undefined) return (await openAuthority(config.dataDir)).certificate;
  return fetchCaCertificate(toLocalUrl(config));
}

/** Fetches the CA certificate of the emulator at `emulatorUrl`. @throws SetupError as `readCaCertificate` does */
export async function fetchCaCertificate(emulatorUrl: string): Promise<string> {
  const url = `${emulatorUrl}/ca.pem`;
  const response = await request(url, {}, TIMEOUT_MS).catch(() => undefined);
  if (response?.status === 200) return parseCertificate(response.text, url);
  throw new SetupError(`No emulator responds at ${url}; start one, set --host and --port, or set --data-dir.`);
}

/** Prints nothing but the certificate: the server may be another one. */
function parseCertificate(text: string, url: string): string {
  try {
    return new X509Certificate(text).toString();
  } catch (cause) {
    throw new SetupError(`The response of ${url} is not a certificate; check --host and --port.`, { cause });
  }
}
