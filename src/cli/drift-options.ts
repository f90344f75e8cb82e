import { SetupError } from '../core/errors.ts';
import { parseBaseUrl, parseFlags } from './flags.ts';

export interface DriftOptions {
  dir: string;
  /** URL of a running emulator. Undefined: one is started in memory. */
  url: string | undefined;
  adminToken: string | undefined;
  format: 'human' | 'json';
}

const OPTIONS = {
  'base-url': { type: 'string' },
  'admin-token': { type: 'string' },
  format: { type: 'string', default: 'human' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Reads the arguments after `drift`. Undefined: --help is among them. @throws SetupError when one is invalid */
export function readDriftOptions(argv: readonly string[], env: NodeJS.ProcessEnv): DriftOptions | undefined {
  const { values, positionals } = parseFlags('drift', argv, OPTIONS, true);
  if (values.help) return undefined;
  const [dir, ...more] = positionals;
  if (dir === undefined || more.length > 0) {
    throw new SetupError('drift needs one directory of recorded samples; verify --record creates one.');
  }
  const { format } = values;
  if (format !== 'human' && format !== 'json') {
    throw new SetupError(`--format must be human or json, not "${format}".`);
  }
  const url = values['base-url'];
  return {
    dir,
    url: url === undefined ? undefined : parseBaseUrl(url),
    adminToken: values['admin-token'] ?? (env.NANOPHOTO_EMULATOR_ADMIN_TOKEN || undefined),
    format,
  };
}

export const DRIFT_HELP = `nanophoto-emulator drift: compares recorded responses with the contract and the emulator

Usage: nanophoto-emulator drift [flags] <directory>

  --base-url     URL of a running emulator (default: one of this version, started in memory)
  --admin-token  token of its control plane, if it requires one
  --format       human or json (default human)

Exits with 0 if all three agree, with 1 if something differs, with 2 if the directory has no samples.`;
