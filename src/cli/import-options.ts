import { SetupError } from '../core/errors.ts';
import { parseBaseUrl, readFlags } from './flags.ts';

export interface ImportOptions {
  /** Files and directories. */
  paths: readonly string[];
  /** Whose rules they become; undefined: nobody's, they are printed. */
  key: string | undefined;
  url: string;
  adminToken: string | undefined;
  seedFile: string | undefined;
}

const OPTIONS = {
  key: { type: 'string' },
  'base-url': { type: 'string' },
  'admin-token': { type: 'string' },
  'seed-file': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;
const DEFAULT_URL = 'http://127.0.0.1:6266';

/** `argv`: what follows `import`. Undefined: help is asked for. @throws SetupError with one sentence */
export function readImportOptions(argv: readonly string[], env: NodeJS.ProcessEnv): ImportOptions | undefined {
  const { values, positionals } = readFlags('import', argv, OPTIONS, true);
  if (values.help) return undefined;
  if (positionals.length === 0) {
    throw new SetupError('import needs files or directories of samples, as verify --record makes them.');
  }
  const { key, 'base-url': url, 'admin-token': adminToken, 'seed-file': seedFile } = values;
  const runningEmulatorFlag =
    url === undefined ? (adminToken === undefined ? undefined : '--admin-token') : '--base-url';
  if (seedFile !== undefined && runningEmulatorFlag) {
    throw new SetupError(`${runningEmulatorFlag} is about an emulator that runs; leave it out, or --seed-file.`);
  }
  if (key === undefined && runningEmulatorFlag) {
    throw new SetupError(`${runningEmulatorFlag} needs the key of the account that the rules are for: --key.`);
  }
  return {
    paths: positionals,
    key,
    url: parseBaseUrl(url ?? DEFAULT_URL),
    adminToken: adminToken ?? (env.NANOPHOTO_EMULATOR_ADMIN_TOKEN || undefined),
    seedFile,
  };
}

export const IMPORT_HELP = `nanophoto-emulator import: makes recorded answers happen again

Usage: nanophoto-emulator import [flags] <file or directory> …

Makes a fault rule of each sample, and prints them as JSON.

  --key          sets them for this account of an emulator that runs
  --base-url     where that is (default ${DEFAULT_URL})
  --admin-token  of its control plane, where it wants one
  --seed-file    writes them into this seed file instead, for the account of --key (default np_test_default)`;
