import { FORMATS, type Format } from '../conformance/report.ts';
import { SetupError } from '../core/errors.ts';
import type { Provenance } from '../http/pipeline/route-docs.ts';
import { parseBaseUrl, readFlags } from './flags.ts';

export interface VerifyOptions {
  /** Without a slash at its end. */
  url: string;
  key: string | undefined;
  adminToken: string | undefined;
  /** Credits. */
  spend: number;
  /** How long a task may take. */
  patienceMs: number;
  pollEveryMs: number;
  provenances: readonly Provenance[];
  /** Beginnings of the names of cases; empty: all. */
  only: readonly string[];
  format: Format;
  /** Where the report goes; undefined: standard output. */
  output: string | undefined;
  /** The directory that keeps what was answered. */
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

/** `argv`: what follows `verify`. Undefined: help is asked for. @throws SetupError with one sentence */
export function readVerifyOptions(argv: readonly string[], env: NodeJS.ProcessEnv): VerifyOptions | undefined {
  const { values } = readFlags('verify', argv, OPTIONS);
  if (values.help) return undefined;
  const provenances = values.provenance.split(',') as Provenance[];
  if (!provenances.every((provenance) => PROVENANCES.includes(provenance))) {
    throw new SetupError(
      `--provenance must be some of ${PROVENANCES.join()}, separated by commas, not "${values.provenance}".`,
    );
  }
  if (!FORMATS.includes(values.format as Format)) {
    throw new SetupError(`--format must be ${FORMATS.join(', ')}, not "${values.format}".`);
  }
  return {
    url: parseBaseUrl(values['base-url']),
    // An empty variable is as good as none.
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

/** Secrets often come with a line break at their end. */
function parseKey(value: string | undefined): string | undefined {
  const key = value?.trim();
  if (key && !/^[\x21-\x7e]+$/.test(key)) throw new SetupError('The key must be visible ASCII characters.');
  return key || undefined;
}

function parseInteger(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new SetupError(`--${name} must be a whole number, not "${text}".`);
}

export const VERIFY_HELP = `nanophoto-emulator verify: holds any server to the contract

Usage: nanophoto-emulator verify [flags]

  --base-url     the server (default ${OPTIONS['base-url'].default})
  --key          an API key of it; an emulator needs none, each case has its own. Else NANOPHOTO_API_KEY
  --admin-token  of an emulator's control plane, where it wants one
  --spend        credits that may be spent on a server without a control plane (default 0)
  --patience     seconds that a task may take there (default 900)
  --poll-every   seconds between two polls of it (default 10)
  --provenance   which promises: documented, observed (in public clients), assumed (default ${PROVENANCES.join()})
  --only         beginnings of the names of cases, separated by commas: sora-2/generate,veo-3
  --format       ${FORMATS.join(', ')} (default human)
  --output       a file for the report
  --record       a directory that keeps every answer as a sample, with its date and without keys

Ends with 0 when all that was checked holds, with 1 when something differs, with 2 when nothing could be checked.`;
