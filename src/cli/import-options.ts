import { SetupError } from '../core/errors.ts';
import { parseBaseUrl, parseFlags } from './flags.ts';

export interface ImportOptions {
  /** Files and directories. */
  paths: readonly string[];
  /** Key of the account that gets the rules. Undefined: the rules are printed. */
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

/** Reads the arguments after `import`. Undefined: --help is among them. @throws SetupError when one is invalid */
export function readImportOptions(argv: readonly string[], env: NodeJS.ProcessEnv): ImportOptions | undefined {
  const { values, positionals } = parseFlags('import', argv, OPTIONS, true);
  if (values.help) return undefined;
  if (positionals.length === 0) {
    throw new SetupError('import needs files or directories of samples; verify --record creates them.');
  }
  const { key, 'base-url': url, 'admin-token': adminToken, 'seed-file': seedFile } = values;
  const runningEmulatorFlag =
    url === undefined ? (adminToken === undefined ? undefined : '--admin-token') : '--base-url';
  if (seedFile !== undefined && runningEmulatorFlag) {
    throw new SetupError(`${runningEmulatorFlag} cannot be combined with --seed-file; leave one of them out.`);
  }
  if (key === undefined && runningEmulatorFlag) {
    throw new SetupError(`${runningEmulatorFlag} needs --key, the account that gets the rules.`);
  }
  return {
    paths: positionals,
    key,
    url: parseBaseUrl(url ?? DEFAULT_URL),
    adminToken: adminToken ?? (env.NANOPHOTO_EMULATOR_ADMIN_TOKEN || undefined),
    seedFile,
  };
}

export const IMPORT_HELP = `nanophoto-emulator import: replays recorded responses

Usage: nanophoto-emulator import [flags] <file or directory> …

Converts each sample to a fault rule, and prints the rules as JSON.

  --key          add the rules to this account of a running emulator
  --base-url     URL of that emulator (default ${DEFAULT_URL})
  --admin-token  token of its control plane, if it requires one
  --seed-file    add the rules to this seed file instead, for the account of --key (default np_test_default)`;
