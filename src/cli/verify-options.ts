import { FORMATS, type Format } from '../conformance/report.ts';
import { SetupError } from '../core/errors.ts';
import type { Provenance } from '../http/pipeline/route-docs.ts';
import { parseBaseUrl, parseFlags } from './flags.ts';

export interface VerifyOptions {
  /** Without a trailing slash. */
  url: string;
  key: string | undefined;
  adminToken: string | undefined;
  /** Credits that may be spent on a server without a control plane. */
  spend: number;
  /** Maximum duration of a task on a server without a control plane. */
  patienceMs: number;
  pollEveryMs: number;
  provenances: readonly Provenance[];
  /** Prefixes of case ids. Empty: all cases. */
  only: readonly string[];
  format: Format;
  /** File for the report. Undefined: standard output. */
  output: string | undefined;
  /** Directory for recorded samples. Undefined: nothing is recorded. */
  record: string | undefined;
}

const PROVENANCES: readonly Provenance[] = ['documented', 'observed', 'assumed'];
const OPTIONS = {
  'base-url': { type: 'string', default: 'http://127.0.0.1:6266' },
  key: { type: 'string' },
  'admin-token': { type: 'string' },
  spend: { type: 'string', default: '0' },
  patience: { type: 'string', default: '900' },
  'poll-every': { type: 'string', default: '10' },
  provenance: { type: 'string', default: PROVENANCES.join() },
  only: { type: 'string', default: '' },
  format: { type: 'string', default: 'human' },
  output: { type: 'string' },
  record: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Reads the arguments after `verify`. Undefined: --help is among them. @throws SetupError when one is invalid */
export function readVerifyOptions(argv: readonly string[], env: NodeJS.ProcessEnv): VerifyOptions | undefined {
  const { values } = parseFlags('verify', argv, OPTIONS);
  if (values.help) return undefined;
  const provenances = values.provenance.split(',') as Provenance[];
  if (!provenances.every((provenance) => PROVENANCES.includes(provenance))) {
    throw new SetupError(
      `--provenance must be a comma-separated list of ${PROVENANCES.join(', ')}, not "${values.provenance}".`,
    );
  }
  if (!FORMATS.includes(values.format as Format)) {
    throw new SetupError(`--format must be one of ${FORMATS.join(', ')}, not "${values.format}".`);
  }
  return {
    url: parseBaseUrl(values['base-url']),
    // An empty variable counts as unset.
    key: parseKey(values.key ?? env.NANOPHOTO_API_KEY),
    adminToken: values['admin-token'] ?? (env.NANOPHOTO_EMULATOR_ADMIN_TOKEN || undefined),
    spend: parseInteger('spend', values.spend),
    patienceMs: parseInteger('patience', values.patience) * 1000,
    pollEveryMs: parseInteger('poll-every', values['poll-every']) * 1000,
    provenances,
    only: values.only.split(',').filter(Boolean),
    format: values.format as Format,
    output: values.output,
    record: values.record,
  };
}

/** Removes white space around the key: secrets often end with a line break. */
function parseKey(value: string | undefined): string | undefined {
  const key = value?.trim();
  if (key && !/^[\x21-\x7e]+$/.test(key))
    throw new SetupError('The API key, from --key or NANOPHOTO_API_KEY, must consist of visible ASCII characters.');
  return key || undefined;
}

function parseInteger(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new SetupError(`--${name} must be a whole number from 0 to 999999999, not "${text}".`);
}

export const VERIFY_HELP = `nanophoto-emulator verify: checks a server against the API contract

Usage: nanophoto-emulator verify [flags]

  --base-url     URL of the server (default ${OPTIONS['base-url'].default})
  --key          API key (default: NANOPHOTO_API_KEY); not needed for an emulator, where each case creates an account
  --admin-token  token of the emulator's control plane, if it requires one
  --spend        credits that may be spent on a server without a control plane (default 0)
  --patience     maximum seconds per task on such a server (default 900)
  --poll-every   seconds between two polls on such a server (default 10)
  --provenance   cases to run: documented, observed (in public clients), assumed (default ${PROVENANCES.join()})
  --only         comma-separated prefixes of case ids, for example sora-2/generate,veo-3
  --format       ${FORMATS.join(', ')} (default human)
  --output       file for the report (default: standard output)
  --record       directory in which to record every response as a sample, without keys

Exits with 0 if every checked case holds, with 1 if one differs, with 2 if nothing could be checked.`;
