import { closeSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Control } from '../client/api.ts';
import type { Target } from '../conformance/case-context.ts';
import { allCases } from '../conformance/cases/index.ts';
import { createContractValidator } from '../conformance/contract-validator.ts';
import { connectControlPlane } from '../conformance/control-client.ts';
import { describeError, request } from '../conformance/http-client.ts';
import { createExchangeLog } from '../conformance/recordings/exchange-log.ts';
import { createRecorder } from '../conformance/recordings/recorder.ts';
import { countOutcomes, formatReport, type VerifyReport } from '../conformance/report.ts';
import { runCases } from '../conformance/runner.ts';
import { SetupError } from '../core/errors.ts';
import { withWriteErrors } from '../core/files.ts';
import { endSentence } from '../core/sentence.ts';
import { systemClock } from '../core/time/clock.ts';
import { createRedactor } from '../http/redaction.ts';
import type { Json } from '../openapi/json-schema.ts';
import { readSamples } from '../openapi/wire-samples.ts';
import { FIXTURES_DIR } from '../paths.ts';
import { openEmulator } from '../server/emulator.ts';
import { readProgrammaticOptions } from '../settings/config.ts';
import { readVerifyOptions, VERIFY_HELP, type VerifyOptions } from './verify-options.ts';

export const WIRE_DIR = join(FIXTURES_DIR, 'wire');
export const getFourSecondVideo = () => readFileSync(join(FIXTURES_DIR, 'videos/480x848-4s.mp4'));

const EXIT_HOLDS = 0;
const EXIT_DIFFERS = 1;

/** Runs `verify` with these arguments. @throws SetupError when an argument is invalid or nothing could be checked */
export async function runVerify(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const options = readVerifyOptions(args, env);
  if (options) process.exitCode = await verify(options);
  else process.stdout.write(`${VERIFY_HELP}\n`);
}

/**
 * Checks a server against the contract. Resolves with the exit code: 0 if every checked case holds, 1 if one differs.
 *
 * @throws SetupError when the server cannot be reached, or nothing could be checked
 */
async function verify(options: VerifyOptions): Promise<number> {
  if (options.output !== undefined) assertWritable(options.output);
  const validator = createContractValidator(await loadContractDocument());
  const { url, key, spend, patienceMs, pollEveryMs, provenances, only } = options;
  const cases = allCases(validator, readSamples(WIRE_DIR)).filter(
    ({ id, provenance }) => provenances.includes(provenance) && isSelected(id, only),
  );
  const control = await connectControl(options);
  const recorder = createRecorderFor(
    options,
    cases.map(({ id }) => id),
  );
  const target: Target = {
    ...{ url, key, patienceMs, pollEveryMs, control, getFourSecondVideo },
    budget: { left: spend, spent: 0 },
    sleep: async (ms) => void (await systemClock.sleep(ms)),
    onExchange: (exchange, caseInfo) => recorder?.onExchange(exchange, caseInfo),
  };
  const outcomes = await runCases(cases, target, validator);
  const report: VerifyReport = {
    url,
    isControlled: target.control !== undefined,
    at: new Date(systemClock.nowMs()).toISOString(),
    creditsSpent: target.budget.spent,
    outcomes,
  };
  // The server may echo the key in a response.
  const redact = createRedactor(key === undefined ? [] : [key]);
  writeReport(redact(formatReport(report, options.format)), options.output);
  recorder?.end();
  if (countOutcomes(report, 'differs') > 0) return EXIT_DIFFERS;
  if (countOutcomes(report, 'holds') > 0) return EXIT_HOLDS;
  const decisive = outcomes.find(({ isLast }) => isLast) ?? outcomes[0];
  const reason = decisive?.why ?? 'no case matches --only and --provenance';
  throw new SetupError(`Nothing could be checked: ${endSentence(reason)}`);
}

function createRecorderFor({ record, url, key }: VerifyOptions, ids: readonly string[]) {
  if (record === undefined) return undefined;
  const keys = key === undefined ? [] : [key];
  return createRecorder(record, ids, createExchangeLog({ url, keys, nowMs: systemClock.nowMs, getFourSecondVideo }));
}

const isSelected = (id: string, only: readonly string[]) =>
  only.length === 0 || only.some((prefix) => id.startsWith(prefix));

/** Loads the OpenAPI document of the contract, as an emulator with the vendor's prices serves it. */
export async function loadContractDocument(): Promise<Json> {
  const { app, close } = await openEmulator(readProgrammaticOptions({}), pino({ level: 'silent' }));
  const response = await app.inject({ url: '/openapi.json' });
  await close();
  return response.json();
}

/**
 * Connects to the control plane of a server. Undefined: the server has none.
 *
 * @throws SetupError when no server responds, or the control plane denies access
 */
export async function connectControl({
  url,
  adminToken,
}: Pick<VerifyOptions, 'url' | 'adminToken'>): Promise<Control | undefined> {
  const path = `${url}/__admin/accounts?limit=1`;
  const probe = (headers: Record<string, string>) =>
    request(path, { headers }).catch((cause) => {
      const reason = describeError(cause);
      throw new SetupError(`No server responds at ${url} (${reason}); check --base-url.`, { cause });
    });
  let { status, body } = await probe({});
  // The token is only sent to a server that asks for it with the emulator's own error code.
  if (body?.code === 'ADMIN_TOKEN_REQUIRED' && adminToken !== undefined) {
    ({ status, body } = await probe({ 'x-admin-token': adminToken }));
  }
  if (body?.code === 'ADMIN_TOKEN_REQUIRED') {
    throw new SetupError(`${url} requires an admin token; pass --admin-token.`);
  }
  if (body?.code === 'LOOPBACK_ONLY') {
    const remedy = 'start the emulator with --admin-token or --admin-remote on';
    throw new SetupError(`The control plane of ${url} only accepts local requests; ${remedy}.`);
  }
  if (status !== 200 || !Array.isArray(body?.accounts)) return undefined;
  return connectControlPlane(url, adminToken);
}

function writeReport(text: string, file: string | undefined): void {
  if (file === undefined) process.stdout.write(`${text}\n`);
  else withWriteErrors(file, () => writeFileSync(file, `${text}\n`));
}

/** Checks the report file before the first request, which may cost credits. @throws SetupError if it is not writable */
function assertWritable(file: string): void {
  withWriteErrors(file, () => {
    const existing = statSync(file, { throwIfNoEntry: false });
    if (existing?.isDirectory()) throw new Error('it is a directory');
    // Opening a named pipe blocks until it has a reader.
    if (existing && !existing.isFile()) return;
    closeSync(openSync(file, 'a'));
    if (!existing) rmSync(file);
  });
}
