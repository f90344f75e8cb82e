import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { VENDOR_HOST } from '../../proxy/vendor-hosts.ts';

export interface Surroundings {
  /** Where the emulator answers. */
  url: string;
  key: string;
  /** A file with the certificates to trust. */
  trustFile: string;
  /** What Node.js processes load first. */
  preloadFile: string;
}

/** Where else a certificate may be named that the command has to trust. */
const TRUSTED_BY = [
  'SSL_CERT_FILE',
  'NODE_EXTRA_CA_CERTS',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'DENO_CERT',
];
const LOCAL = ['localhost', '127.0.0.1', '::1'];

/**
 * The environment in which a program that calls https://nanophoto.ai reaches the emulator, in the words of curl, Python, Node.js,
 * Go, Ruby and Deno. Calls of other hosts over HTTPS are refused by the emulator; plain HTTP is left alone.
 */
export function environmentFor(
  { url, key, trustFile, preloadFile }: Surroundings,
  env: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  const direct = directHosts(`${env.NO_PROXY ?? ''},${env.no_proxy ?? ''}`);
  return {
    ...env,
    NANOPHOTO_API_BASE_URL: url,
    NANOPHOTO_API_KEY: key,
    HTTPS_PROXY: url,
    https_proxy: url,
    NO_PROXY: direct,
    no_proxy: direct,
    SSL_CERT_FILE: trustFile,
    CURL_CA_BUNDLE: trustFile,
    REQUESTS_CA_BUNDLE: trustFile,
    NODE_EXTRA_CA_CERTS: trustFile,
    DENO_CERT: trustFile,
    NODE_USE_ENV_PROXY: '1',
    NODE_OPTIONS: `${env.NODE_OPTIONS ?? ''} --require=${JSON.stringify(preloadFile)}`.trim(),
  };
}

/** Who was to be called without a proxy still is, but for the vendor. */
function directHosts(list: string): string {
  const entries = list.split(/[,\s]+/);
  const kept = entries.filter((entry) => {
    const name = entry
      .replace(/:\d+$/, '')
      .replace(/^\*?\.?/, '')
      .replace(/\.+$/, '')
      .toLowerCase();
    return name !== '' && !`.${VENDOR_HOST}`.endsWith(`.${name}`) && !name.endsWith(`.${VENDOR_HOST}`);
  });
  return [...new Set([...kept, ...LOCAL])].join(',');
}

/** Our authority beside whatever is trusted otherwise, because programs look into one file alone. */
export function trustedBeside(certificate: string, env: NodeJS.ProcessEnv): string {
  const named = TRUSTED_BY.map((name) => env[name]).filter((file) => file !== undefined);
  return [certificate, ...[...new Set(named)].map(readable), ...rootCertificates].join('\n');
}

function readable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
