import type { Json } from '../../openapi/json-schema.ts';
import type { WireSample } from '../../openapi/wire-samples.ts';
import { Differs, shown } from '../case-errors.ts';
import type { Conformity } from '../contract-validator.ts';
import { visible } from '../escape-control-chars.ts';
import type { Outcome } from '../runner.ts';
import type { Recorded } from './exchange-log.ts';
import { variesAlike } from './sample-matching.ts';

/** What the three say of one exchange. */
export interface DriftRow {
  id: string;
  name: string;
  path: string;
  contract: { expected: string; problem: string | null };
  emulator: { status: number; errorCode: string | null } | null;
  recorded: { status: number; errorCode: string | null; at: string | null; source: string };
  /** The first thing in which they differ; null: they agree. */
  difference: string | null;
}

type Response = WireSample['response'];

export interface Known {
  /** What the emulator answered to the same exchange of the same case. */
  answered: Recorded | undefined;
  /** Of that case, where this is its last exchange: what is before that was as it should be. */
  outcome: Outcome | undefined;
  /** The project's own sample of that case. */
  documented: WireSample | undefined;
}

export function driftOf(
  sample: WireSample,
  { answered, outcome, documented }: Known,
  conformity: Conformity,
): DriftRow {
  const { id, name, request, response, source, recordedAt } = sample;
  const problem = problemOf(conformity, sample);
  const isPromised = outcome?.result !== 'differs';
  const expected =
    documented && exchangeOf(sample) === exchangeOf(documented)
      ? briefly(documented.response)
      : answered && isPromised
        ? briefly(answered.response)
        : (outcome?.expected ?? 'nothing');
  const difference = answered
    ? (differenceOf(response, answered.response) ??
      (problem && `the document: ${problem}`) ??
      (isPromised ? null : `the contract: the emulator does not answer ${outcome?.expected}`))
    : 'the emulator: it has no such exchange';
  return {
    id,
    name,
    path: request.path,
    contract: { expected, problem: problem ?? null },
    emulator: answered ? told(answered.response) : null,
    recorded: { ...told(response), at: recordedAt ?? null, source },
    difference: difference ?? null,
  };
}

/** Which exchange of its case it is; one that was not recorded comes after those that it follows from. */
export const exchangeOf = ({ exchange, given }: WireSample): number =>
  exchange ?? (given?.submitted ? 2 : 1) + (given?.requestsBefore ?? 0);

const told = ({ status, body }: Response) => ({ status, errorCode: codeOf(body) });
const codeOf = (body: Json): string | null => (typeof body?.errorCode === 'string' ? body.errorCode : null);
export const briefly = (response: Response): string =>
  [response.status, codeOf(response.body)].filter((one) => one !== null).join(' ');

/** What the document does not have of a recorded answer. */
function problemOf(conformity: Conformity, { request, response, recordedAt }: WireSample) {
  const { path, method = 'POST' } = request;
  const { status, body, text } = response;
  // One of the project's own is JSON where it does not say otherwise.
  const contentType = response.contentType ?? (recordedAt === undefined ? 'application/json' : undefined);
  const headers = new Headers(contentType === undefined ? {} : { 'content-type': contentType });
  const sent = typeof text === 'string' ? text : JSON.stringify(body ?? 'some text');
  try {
    conformity.assert(method, path, { status, headers, text: sent });
    return undefined;
  } catch (error) {
    if (!(error instanceof Differs)) throw error;
    return `expected ${error.expected}`;
  }
}

/** The first thing in which two answers differ, what varies from run to run aside. */
function differenceOf(recorded: Response, emulated: Response): string | undefined {
  const differ = (what: string, one: Json, other: Json) =>
    `${what}: recorded ${brief(one)}, emulator ${brief(other)}`;
  if (recorded.status !== emulated.status) return differ('status', recorded.status, emulated.status);
  const [code, ownCode] = [codeOf(recorded.body), codeOf(emulated.body)];
  if (code !== ownCode) return differ('errorCode', code, ownCode);
  const [type, ownType] = [typeOf(recorded), typeOf(emulated)];
  if (type !== ownType) return differ('content type', type, ownType);
  if (recorded.body === undefined || emulated.body === undefined) {
    const isSame =
      recorded.status < 400 ? !recorded.text === !emulated.text : recorded.text === emulated.text;
    return isSame || Array.isArray(recorded.text) ? undefined : differ('text', recorded.text, emulated.text);
  }
  const at = firstDifference(recorded.body, emulated.body);
  if (!at) return undefined;
  return at.isOrder
    ? `the order of the fields of ${at.place || 'the body'}`
    : differ(at.place || 'the body', at.one, at.other);
}

const typeOf = ({ contentType = 'application/json' }: Response) =>
  contentType.split(';', 1)[0]!.trim().toLowerCase();

const brief = (value: Json) => (value === undefined ? 'nothing' : shown(JSON.stringify(value)).slice(0, 120));

interface Place {
  place: string;
  one?: Json;
  other?: Json;
  isOrder?: true;
}

function firstDifference(one: Json, other: Json, place = '', name = ''): Place | undefined {
  if (!isBranch(one) || !isBranch(other) || Array.isArray(one) !== Array.isArray(other)) {
    const isSame = JSON.stringify(one) === JSON.stringify(other) || variesAlike(name, other, one);
    return isSame ? undefined : { place, one, other };
  }
  for (const field of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const at = Array.isArray(one) ? `${place}[${field}]` : place ? `${place}.${field}` : field;
    const found = firstDifference(one[field], other[field], at, field);
    if (found) return found;
  }
  return Object.keys(one).join() === Object.keys(other).join() ? undefined : { place, isOrder: true };
}

const isBranch = (value: Json) => typeof value === 'object' && value !== null;

export interface DriftReport {
  dir: string;
  /** Where the emulator is. */
  emulator: string;
  version: string;
  at: string;
  rows: readonly DriftRow[];
}

export const driftedRows = ({ rows }: DriftReport) => rows.filter(({ difference }) => difference !== null);

export function writtenDrift(report: DriftReport, format: 'human' | 'json'): string {
  const differing = driftedRows(report);
  const agree = report.rows.length - differing.length;
  if (format === 'json') {
    return JSON.stringify({ ...report, rows: differing, agree, differ: differing.length }, null, 2);
  }
  const { dir, emulator, version } = report;
  return [
    `${dir}, beside the contract and the emulator ${version} (${emulator})`,
    ...differing.flatMap(linesOf),
    '',
    `${agree} agree, ${differing.length} ${differing.length === 1 ? 'differs' : 'differ'}`,
  ].join('\n');
}

function linesOf({ id, name, contract, emulator, recorded, difference }: DriftRow): string[] {
  const whole = ({ status, errorCode }: { status: number; errorCode: string | null }) =>
    errorCode === null ? `${status}` : `${status} ${errorCode}`;
  const conforms = contract.problem === null ? 'the document has what was recorded' : contract.problem;
  const lines = [
    `DIFFERS  ${id}: ${name}`,
    `           contract  ${contract.expected}; ${conforms}`,
    `           emulator  ${emulator ? whole(emulator) : 'no answer'}`,
    `           recorded  ${whole(recorded)}, ${recorded.at ?? 'no date'}, ${recorded.source}`,
    `           first     ${difference}`,
  ];
  return ['', ...lines.map(visible)];
}
