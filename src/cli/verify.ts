import { closeSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Control } from '../client/api.ts';
import { connectEmulator } from '../client/client.ts';
import type { Target } from '../conformance/case-context.ts';
import { allCases } from '../conformance/cases/index.ts';
import { createConformity } from '../conformance/contract-validator.ts';
import { ask, reasonOf } from '../conformance/http-client.ts';
import { createExchangeLog } from '../conformance/recordings/exchange-log.ts';
import { createRecorder } from '../conformance/recordings/recorder.ts';
import { createRedaction } from '../conformance/recordings/redact.ts';
import { countOf, type Report, written } from '../conformance/report.ts';
import { runCases } from '../conformance/runner.ts';
import { SetupError } from '../core/errors.ts';
import { systemClock } from '../core/time/clock.ts';
import type { Json } from '../openapi/json-schema.ts';
import { readSamples } from '../openapi/wire-samples.ts';
import { FIXTURES_DIR } from '../paths.ts';
import { openEmulator } from '../server/emulator.ts';
import { readOptions } from '../settings/config.ts';
import type { VerifyOptions } from './verify-options.ts';

export const WIRE_DIR = join(FIXTURES_DIR, 'wire');
export const videoOf4s = () => readFileSync(join(FIXTURES_DIR, 'videos/480x848-4s.mp4'));

const HELD = 0;
const DIFFERED = 1;

/**
 * Holds any server to the contract. Resolves with the exit code: 0 when all that was checked holds, 1 when something differs.
 * @throws SetupError when it could not run, or nothing could be checked
 */
export async function verify(options: VerifyOptions): Promise<number> {
  if (options.output !== undefined) assertWritable(options.output);
  const conformity = createConformity(await contractDocument());
  const { url, key, spend, patienceMs, pollEveryMs, marks, only } = options;
  const cases = allCases(conformity, readSamples(WIRE_DIR)).filter(
    ({ id, mark }) => marks.includes(mark) && isMeant(id, only),
  );
  const control = await controlOf(options);
  const recorder = recorderOf(
    options,
    cases.map(({ id }) => id),
  );
  const target: Target = {
    ...{ url, key, patienceMs, pollEveryMs, control, videoOf4s },
    budget: { left: spend, spent: 0 },
    sleep: async (ms) => void (await systemClock.sleep(ms)),
    onExchange: (exchange, of) => recorder?.onExchange(exchange, of),
  };
  const outcomes = await runCases(cases, target, conformity);
  const report: Report = {
    url,
    isControlled: target.control !== undefined,
    at: new Date(systemClock.nowMs()).toISOString(),
    creditsSpent: target.budget.spent,
    outcomes,
  };
  // A server may repeat the key that it is sent.
  const hidden = createRedaction(key === undefined ? [] : [key]);
  tell(hidden(written(report, options.format)), options.output);
  recorder?.end();
  if (countOf(report, 'differs') > 0) return DIFFERED;
  if (countOf(report, 'holds') > 0) return HELD;
  throw new SetupError(
    `Nothing could be checked: ${(outcomes.find(({ isLast }) => isLast) ?? outcomes[0])?.why ?? 'there is no such case; see --only and --marks'}.`,
  );
}

function recorderOf({ record, url, key }: VerifyOptions, ids: readonly string[]) {
  if (record === undefined) return undefined;
  const keys = key === undefined ? [] : [key];
  return createRecorder(record, ids, createExchangeLog({ url, keys, nowMs: systemClock.nowMs, videoOf4s }));
}

const isMeant = (id: string, only: readonly string[]) =>
  only.length === 0 || only.some((beginning) => id.startsWith(beginning));

/** What the contract is, as an emulator with the vendor's prices serves it. */
export async function contractDocument(): Promise<Json> {
  const { app, close } = await openEmulator(readOptions({}), pino({ level: 'silent' }));
  const answer = await app.inject({ url: '/openapi.json' });
  await close();
  return answer.json();
}

/** The control plane of the server, if it has one and lets us in. @throws SetupError when there is no server at all */
export async function controlOf({
  url,
  adminToken,
}: Pick<VerifyOptions, 'url' | 'adminToken'>): Promise<Control | undefined> {
  const path = `${url}/__admin/accounts?limit=1`;
  const probe = (headers: Record<string, string>) =>
    ask(path, { headers }).catch((cause) => {
      const why = reasonOf(cause);
      throw new SetupError(`No server answers at ${url} (${why}); say where it is with --base-url.`, {
        cause,
      });
    });
  let { status, body } = await probe({});
  // Nobody is told the token but who asks for it in the emulator's own words.
  if (body?.code === 'ADMIN_TOKEN_REQUIRED' && adminToken !== undefined) {
    ({ status, body } = await probe({ 'x-admin-token': adminToken }));
  }
  if (body?.code === 'ADMIN_TOKEN_REQUIRED') {
    throw new SetupError(`The control plane of ${url} is closed to us; say --admin-token.`);
  }
  if (body?.code === 'LOOPBACK_ONLY') {
    const remedy = 'start the emulator with --admin-token or --admin-remote on';
    throw new SetupError(`The control plane of ${url} is closed to us; ${remedy}.`);
  }
  if (status !== 200 || !Array.isArray(body?.accounts)) return undefined;
  return connectEmulator(url, adminToken === undefined ? {} : { adminToken });
}

function tell(text: string, file: string | undefined): void {
  if (file === undefined) process.stdout.write(`${text}\n`);
  else writing(file, () => writeFileSync(file, `${text}\n`));
}

/** Before anything is asked, and perhaps paid for. @throws SetupError where a report could not be written */
function assertWritable(file: string): void {
  writing(file, () => {
    const there = statSync(file, { throwIfNoEntry: false });
    if (there?.isDirectory()) throw new Error('it is a directory');
    // Opening a pipe would wait for somebody who reads.
    if (there && !there.isFile()) return;
    closeSync(openSync(file, 'a'));
    if (!there) rmSync(file);
  });
}

function writing(file: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    throw new SetupError(`${file} cannot be written: ${(cause as Error).message}.`, { cause });
  }
}
