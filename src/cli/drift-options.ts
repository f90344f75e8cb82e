import { SetupError } from '../core/errors.ts';
import { parseBaseUrl, readFlags } from './flags.ts';

export interface DriftOptions {
  dir: string;
  /** Of an emulator; undefined: one in memory is opened. */
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

/** `argv`: what follows `drift`. Undefined: help is asked for. @throws SetupError with one sentence */
export function readDriftOptions(argv: readonly string[], env: NodeJS.ProcessEnv): DriftOptions | undefined {
  const { values, positionals } = readFlags('drift', argv, OPTIONS, true);
  if (values.help) return undefined;
  const [dir, ...more] = positionals;
  if (dir === undefined || more.length > 0) {
    throw new SetupError('drift needs one directory of samples, as verify --record makes it.');
  }
  const { format } = values;
  if (format !== 'human' && format !== 'json') {
    throw new SetupError(`--format must be human, json, not "${format}".`);
  }
  const url = values['base-url'];
  return {
    dir,
    url: url === undefined ? undefined : parseBaseUrl(url),
    adminToken: values['admin-token'] ?? (env.NANOPHOTO_EMULATOR_ADMIN_TOKEN || undefined),
    format,
  };
}

export const DRIFT_HELP = `nanophoto-emulator drift: what was recorded beside the contract and the emulator

Usage: nanophoto-emulator drift [flags] <directory>

  --base-url     an emulator that runs; without it, one of this version is opened in memory
  --admin-token  of its control plane, where it wants one
  --format       human, json (default human)

Ends with 0 when the three agree, with 1 when something differs, with 2 when there are no samples.`;
