import { connectEmulator } from '../client/client.ts';
import type { Case } from '../conformance/case.ts';
import type { Target } from '../conformance/case-context.ts';
import { allCases } from '../conformance/cases/index.ts';
import { sampleCases } from '../conformance/cases/samples.ts';
import { createConformity } from '../conformance/contract-validator.ts';
import {
  type DriftReport,
  driftedRows,
  driftOf,
  exchangeOf,
  writtenDrift,
} from '../conformance/recordings/drift.ts';
import { createExchangeLog, type Recorded } from '../conformance/recordings/exchange-log.ts';
import { samplesAt } from '../conformance/recordings/load-samples.ts';
import { runCases } from '../conformance/runner.ts';
import { SetupError } from '../core/errors.ts';
import { systemClock } from '../core/time/clock.ts';
import { readSamples, type WireSample } from '../openapi/wire-samples.ts';
import { packageVersion } from '../paths.ts';
import { start } from '../server/start.ts';
import type { DriftOptions } from './drift-options.ts';
import { contractDocument, controlOf, videoOf4s, WIRE_DIR } from './verify.ts';

const PATIENCE_MS = 60_000;

/**
 * Holds recorded answers against the contract and the emulator. Resolves with the exit code: 0 when they agree, else 1.
 * @throws SetupError when there is nothing to compare
 */
export async function drift({ dir, url, adminToken, format }: DriftOptions): Promise<number> {
  const samples = samplesAt(dir);
  if (samples.length === 0)
    throw new SetupError(`There are no samples in ${dir}; verify --record makes them.`);
  const conformity = createConformity(await contractDocument());
  const documented = readSamples(WIRE_DIR);
  const all = allCases(conformity, documented);
  const caseBySample = new Map(samples.map((sample) => [sample, caseOf(sample, all)]));
  const cases = [...new Set(caseBySample.values())];

  const own = url === undefined ? await start({}) : undefined;
  const at = url ?? own!.url;
  try {
    const control = own ? connectEmulator(at) : await controlOf({ url: at, adminToken });
    if (!control) throw new SetupError(`${at} is no emulator: it has no control plane.`);
    const answered = new Map<string, Recorded>();
    const log = createExchangeLog({ url: at, keys: [], nowMs: systemClock.nowMs, videoOf4s });
    const target: Target = {
      ...{ url: at, key: undefined, control, patienceMs: PATIENCE_MS, pollEveryMs: 0, videoOf4s },
      budget: { left: 0, spent: 0 },
      sleep: async () => {},
      onExchange(exchange, of) {
        const sample = log.add(exchange, of);
        if (sample) answered.set(`${of.id} ${sample.exchange}`, sample);
      },
    };
    const outcomes = new Map((await runCases(cases, target, conformity)).map((one) => [one.id, one]));
    const report: DriftReport = {
      dir,
      emulator: url ?? 'in memory',
      version: packageVersion(),
      at: new Date(systemClock.nowMs()).toISOString(),
      rows: samples.map((sample) => {
        const { id } = caseBySample.get(sample)!;
        const { exchange: _, ...alone } = sample;
        const nth = exchangeOf(id === (sample.case ?? id) ? sample : alone);
        const known = {
          answered: answered.get(`${id} ${nth}`),
          outcome: answered.has(`${id} ${nth + 1}`) ? undefined : outcomes.get(id),
          documented: documented.find((one) => one.id === id),
        };
        return driftOf(sample, known, conformity);
      }),
    };
    process.stdout.write(`${writtenDrift(report, format)}\n`);
    return driftedRows(report).length > 0 ? 1 : 0;
  } finally {
    await own?.close();
  }
}

/**
 * The case that a sample was recorded in. One that there is no more, or never was, is replayed as a sample of the project would
 * be.
 */
function caseOf(sample: WireSample, cases: readonly Case[]): Case {
  const known = cases.find(({ id }) => id === (sample.case ?? sample.id));
  if (known) return known;
  const { exchange: _, ...alone } = sample;
  return sampleCases([alone])[0]!;
}
