import { rootCertificates } from 'node:tls';
import { readRegularFile } from '../../core/files.ts';
import { VENDOR_HOST } from '../../proxy/vendor-hosts.ts';

export interface ProxyEnvironment {
  /** URL of the emulator or of the recording proxy. */
  url: string;
  /** Undefined: the program keeps its own key. */
  key: string | undefined;
  /** CA bundle in PEM. */
  trustFile: string;
  /** CommonJS module that Node.js processes load first. */
  preloadFile: string;
}

/** The server that the command reaches instead of https://nanophoto.ai. */
export interface ExecServer {
  url: string;
  /** Key for the command. Undefined: the command keeps its own. */
  key: string | undefined;
  /** Certificate authority of the server, in PEM. */
  certificate: string;
  /** Reports the run on standard error. Resolves with the exit code, given that of the command. */
  end(code: number): Promise<number>;
  close(): Promise<void>;
}

/** The key that programs get if the seed file has no account. */
export const FALLBACK_KEY = 'np_test_exec';

/** Variables that may name further CA certificates that the program must trust. */
const CA_BUNDLE_VARIABLES = [
  'SSL_CERT_FILE',
  'NODE_EXTRA_CA_CERTS',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'DENO_CERT',
];
/** The bundles of operating systems have less than half a megabyte. */
const MAX_BUNDLE_BYTES = 16 * 1024 * 1024;
const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '::1'];

/**
 * Creates the environment in which a program that calls https://nanophoto.ai reaches the emulator. It has the variables
 * that curl, Python, Node.js, Go, Ruby and Deno read. The emulator rejects HTTPS requests to other hosts; plain HTTP
 * requests are not redirected.
 */
export const environmentFor = (proxy: ProxyEnvironment, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...env,
  ...toApiVariables(proxy),
  ...toProxyVariables(proxy, env),
});

/** Creates the variables that give a program the URL of the API and a key. */
export const toApiVariables = ({ url, key }: Pick<ProxyEnvironment, 'url' | 'key'>) => ({
  NANOPHOTO_API_BASE_URL: url,
  ...(key !== undefined && { NANOPHOTO_API_KEY: key }),
});

/** Creates the variables that redirect https://nanophoto.ai to the emulator, for a program with the variables `env`. */
export function toProxyVariables({ url, trustFile, preloadFile }: ProxyEnvironment, env: NodeJS.ProcessEnv) {
  const noProxy = noProxyList(`${env.NO_PROXY ?? ''},${env.no_proxy ?? ''}`);
  const preload = `--require=${JSON.stringify(preloadFile)}`;
  const nodeOptions = env.NODE_OPTIONS ?? '';
  return {
    HTTPS_PROXY: url,
    https_proxy: url,
    NO_PROXY: noProxy,
    no_proxy: noProxy,
    SSL_CERT_FILE: trustFile,
    CURL_CA_BUNDLE: trustFile,
    REQUESTS_CA_BUNDLE: trustFile,
    NODE_EXTRA_CA_CERTS: trustFile,
    DENO_CERT: trustFile,
    NODE_USE_ENV_PROXY: '1',
    NODE_OPTIONS: nodeOptions.includes(preload) ? nodeOptions : `${nodeOptions} ${preload}`.trim(),
  };
}

/** Keeps the hosts that bypass the proxy, except for the vendor's, and adds the local ones. */
function noProxyList(list: string): string {
  const entries = list.split(/[,\s]+/);
  const otherHosts = entries.filter((entry) => {
    const name = entry
      .replace(/:\d+$/, '')
      .replace(/^\*?\.?/, '')
      .replace(/\.+$/, '')
      .toLowerCase();
    return name !== '' && !`.${VENDOR_HOST}`.endsWith(`.${name}`) && !name.endsWith(`.${VENDOR_HOST}`);
  });
  return [...new Set([...otherHosts, ...LOOPBACK_HOSTS])].join(',');
}

/**
 * Combines our CA certificate with all others that the program trusts, since a program reads only one bundle. The
 * variables may already name `trustFile`, which the bundle replaces.
 */
export function buildCaBundle(certificate: string, env: NodeJS.ProcessEnv, trustFile?: string): string {
  const bundleFiles = CA_BUNDLE_VARIABLES.map((name) => env[name])
    .filter((file) => file !== undefined)
    .filter((file) => file !== trustFile);
  return [certificate, ...[...new Set(bundleFiles)].map(readOrEmpty), ...rootCertificates].join('\n');
}

function readOrEmpty(file: string): string {
  try {
    return readRegularFile(file, MAX_BUNDLE_BYTES).toString('utf8');
  } catch {
    return '';
  }
}
