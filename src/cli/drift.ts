import type { Case, Target } from '../conformance/case-context.ts';
import { allCases } from '../conformance/cases/index.ts';
import { sampleCases } from '../conformance/cases/samples.ts';
import { createContractValidator } from '../conformance/contract-validator.ts';
import {
  compareSample,
  type DriftReport,
  findObstacle,
  formatDriftReport,
  getDriftedRows,
  getExchangeNumber,
} from '../conformance/recordings/drift.ts';
import { createExchangeLog, type RecordedSample } from '../conformance/recordings/exchange-log.ts';
import { loadSamples } from '../conformance/recordings/load-samples.ts';
import { runCases } from '../conformance/runner.ts';
import { SetupError } from '../core/errors.ts';
import { systemClock } from '../core/time/clock.ts';
import { readSamples, type WireSample } from '../openapi/wire-samples.ts';
import { packageVersion } from '../paths.ts';
import { startInProcess } from '../server/start.ts';
import { parseBaseUrl, parseFlags } from './flags.ts';
import { connectControl, getFourSecondVideo, loadContractDocument, WIRE_DIR } from './verify.ts';

const TASK_TIMEOUT_MS = 60_000;

/** Runs `drift` with these arguments. @throws SetupError when an argument is invalid or there is nothing to compare */
export async function runDrift(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const options = readDriftOptions(args, env);
  if (options) process.exitCode = await drift(options);
  else process.stdout.write(`${DRIFT_HELP}\n`);
}

/** Compares recordings with the contract and the emulator. Resolves with the exit code: 0 if they agree, else 1. */
async function drift({ dir, url, adminToken, format }: DriftOptions): Promise<number> {
  const samples = loadSamples(dir);
  if (samples.length === 0)
    throw new SetupError(`${dir} has no samples; exec --record and verify --record create them.`);
  const validator = createContractValidator(await loadContractDocument());
  const documented = readSamples(WIRE_DIR);
  const all = allCases(validator, documented);
  const caseIds = new Set(all.map(({ id }) => id));
  const caseBySample = new Map(samples.map((sample) => [sample, findCase(sample, all)]));
  const repeatable = samples.filter((sample) => findObstacle(sample) === undefined);
  const cases = [...new Set(repeatable.map((sample) => caseBySample.get(sample)!))];

  const ownEmulator = url === undefined ? await startInProcess({}) : undefined;
  const emulatorUrl = url ?? ownEmulator!.url;
  try {
    const control = await connectControl({ url: emulatorUrl, adminToken });
    if (!control) throw new SetupError(`${emulatorUrl} is not an emulator: it has no control plane; check --base-url.`);
    /** As JSON, which needs less memory than the values. */
    const emulated = new Map<string, string>();
    const log = createExchangeLog({ url: emulatorUrl, keys: [], nowMs: systemClock.nowMs, getFourSecondVideo });
    const target: Target = {
      ...{ url: emulatorUrl, key: undefined, control, getFourSecondVideo },
      ...{ patienceMs: TASK_TIMEOUT_MS, pollEveryMs: 0 },
      budget: { left: 0, spent: 0 },
      sleep: async () => {},
      onExchange(exchange, caseInfo) {
        const sample = log.add(exchange, caseInfo);
        if (sample) emulated.set(`${caseInfo.id} ${sample.exchange}`, JSON.stringify(sample));
      },
    };
    const outcomes = new Map((await runCases(cases, target, validator)).map((outcome) => [outcome.id, outcome]));
    const report: DriftReport = {
      dir,
      emulator: url ?? 'in memory',
      version: packageVersion(),
      at: new Date(systemClock.nowMs()).toISOString(),
      rows: samples.map((sample) => {
        const { id } = caseBySample.get(sample)!;
        const { exchange: _, ...withoutExchange } = sample;
        const exchangeNumber = getExchangeNumber(id === (sample.case ?? id) ? sample : withoutExchange);
        const emulatedJson = emulated.get(`${id} ${exchangeNumber}`);
        const evidence = {
          hasCase: caseIds.has(id),
          emulated: emulatedJson === undefined ? undefined : (JSON.parse(emulatedJson) as RecordedSample),
          outcome: emulated.has(`${id} ${exchangeNumber + 1}`) ? undefined : outcomes.get(id),
          documented: documented.find((one) => one.id === id),
        };
        return compareSample(sample, evidence, validator);
      }),
    };
    process.stdout.write(`${formatDriftReport(report, format)}\n`);
    return getDriftedRows(report).length > 0 ? 1 : 0;
  } finally {
    await ownEmulator?.close();
  }
}

/** Finds the case that a sample was recorded in; without one, creates a case that replays the sample itself. */
function findCase(sample: WireSample, cases: readonly Case[]): Case {
  const existing = cases.find(({ id }) => id === (sample.case ?? sample.id));
  if (existing) return existing;
  const { exchange: _, ...withoutExchange } = sample;
  return sampleCases([withoutExchange])[0]!;
}

interface DriftOptions {
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
function readDriftOptions(argv: readonly string[], env: NodeJS.ProcessEnv): DriftOptions | undefined {
  const { values, positionals } = parseFlags('drift', argv, OPTIONS, true);
  if (values.help) return undefined;
  const [dir, ...more] = positionals;
  if (dir === undefined || more.length > 0) {
    throw new SetupError('drift needs one directory of samples; exec --record and verify --record create one.');
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

const DRIFT_HELP = `nanophoto-emulator drift: compares recorded responses with the contract and the emulator

Usage: nanophoto-emulator drift [flags] <directory>

  --base-url     URL of a running emulator (default: one of this version, started in memory)
  --admin-token  token of its control plane, if it requires one
  --format       human or json (default human)

Exits with 0 if recordings, contract and emulator agree, with 1 if something differs, with 2 if the directory has no
samples.`;
