import { toPrintableJson, toPrintableLine } from '../../core/control-chars.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { WireSample } from '../../openapi/wire-samples.ts';
import { excerpt, Mismatch } from '../case-errors.ts';
import type { ContractValidator } from '../contract-validator.ts';
import type { CaseOutcome } from '../runner.ts';
import type { RecordedSample } from './exchange-log.ts';
import { FILE_PLACEHOLDER, getOwn, isVolatileMatch } from './sample-matching.ts';

/** A recorded exchange next to the contract and the emulator. */
export interface DriftRow {
  id: string;
  name: string;
  path: string;
  contract: {
    /** The response that the case expects. Null: the sample has no case. */
    expected: string | null;
    /** Whether the OpenAPI document describes the request. */
    isDescribed: boolean;
    /** Why that document does not allow the recorded response. Null: it does, or it does not describe the request. */
    problem: string | null;
  };
  emulator: { status: number; errorCode: string | null } | null;
  recorded: { status: number; errorCode: string | null; at: string | null; source: string };
  /** The first difference. Null: all three agree, as far as they could be compared. */
  difference: string | null;
  /** Why the request was not sent to the emulator, or why its response cannot be compared. Null: it was compared. */
  notRepeated: string | null;
}

type SampleResponse = WireSample['response'];

export interface Evidence {
  /** The same exchange of the same case with the emulator. Undefined: it did not occur. */
  emulated: RecordedSample | undefined;
  /** Whether the exchange belongs to a case of `verify`. Otherwise only the OpenAPI document applies to it. */
  hasCase: boolean;
  /** Outcome of the case. Undefined: this is not its last exchange, so it conforms. */
  outcome: CaseOutcome | undefined;
  /** The project's own sample of the case. */
  documented: WireSample | undefined;
}

export function compareSample(
  sample: WireSample,
  { emulated, hasCase, outcome, documented }: Evidence,
  validator: ContractValidator,
): DriftRow {
  const { id, name, request, response, source, recordedAt } = sample;
  const mismatch = findContractMismatch(validator, sample);
  const emulatorMismatch = hasCase
    ? outcome?.result === 'differs' && `expected ${outcome.expected}`
    : emulated && findContractMismatch(validator, { ...sample, response: emulated.response });
  const expected = !hasCase
    ? null
    : documented && getExchangeNumber(sample) === getExchangeNumber(documented)
      ? summarize(documented.response)
      : emulated && !emulatorMismatch
        ? summarize(emulated.response)
        : (outcome?.expected ?? 'nothing');
  const obstacle =
    findObstacle(sample) ??
    // A case sends its own files.
    (!hasCase && hasOtherUpload(sample) && emulated && (response.status !== 200 || emulated.response.status !== 200)
      ? 'its upload is not recorded'
      : undefined);
  const comparison = emulated
    ? (findDifference(response, emulated.response) ??
      (mismatch && `the contract: ${mismatch}`) ??
      (emulatorMismatch ? `the emulator does not conform to the contract: ${emulatorMismatch}` : null))
    : 'the emulator has no such exchange';
  const isNotRepeated = obstacle !== undefined && comparison !== null;
  // The contract applies to a response of the service, even if its request cannot be repeated.
  const contractDifference = sample.failure === undefined && mismatch ? `the contract: ${mismatch}` : null;
  const difference = isNotRepeated ? contractDifference : comparison;
  return {
    id,
    name,
    path: request.path,
    contract: {
      expected,
      isDescribed: validator.describesRequest(request.method ?? 'POST', request.path),
      problem: mismatch ?? null,
    },
    emulator: emulated && !isNotRepeated ? toStatusAndCode(emulated.response) : null,
    recorded: { ...toStatusAndCode(response), at: recordedAt ?? null, source },
    difference,
    notRepeated: isNotRepeated ? obstacle : null,
  };
}

/** Describes why the request of a sample cannot be sent again. Undefined: it can. */
export function findObstacle({ failure, notRepeatable, request }: WireSample): string | undefined {
  const { method = 'POST', body, text } = request;
  if (failure !== undefined) return `the service gave no usable response: ${failure}`;
  if (notRepeatable !== undefined) return notRepeatable;
  if (UNSENDABLE_METHODS.includes(method)) return `fetch cannot send ${method} requests`;
  const hasBody = body !== undefined || text !== undefined;
  return hasBody && ['GET', 'HEAD'].includes(method) ? `fetch cannot send ${method} requests with a body` : undefined;
}

const UNSENDABLE_METHODS = ['CONNECT', 'TRACE', 'TRACK'];

/** Whether the request contained a file that is not recorded, and that may be the reason for an error. */
const hasOtherUpload = ({ request }: WireSample) => FILE_PLACEHOLDER.test(JSON.stringify(request));

/** The number of an exchange in its case. A sample that was not recorded follows the requests that prepare it. */
export const getExchangeNumber = ({ exchange, given }: WireSample): number =>
  exchange ?? (given?.submitted ? 2 : 1) + (given?.requestsBefore ?? 0);

const toStatusAndCode = ({ status, body }: SampleResponse) => ({ status, errorCode: getErrorCode(body) });
const getErrorCode = (body: Json): string | null => (typeof body?.errorCode === 'string' ? body.errorCode : null);
export const summarize = (response: SampleResponse): string =>
  [response.status, getErrorCode(response.body)].filter((one) => one !== null).join(' ');

/** Describes why the document does not allow a recorded response. Undefined: it does. */
function findContractMismatch(validator: ContractValidator, { request, response, recordedAt }: WireSample) {
  const { path, method = 'POST' } = request;
  const { status, body, text } = response;
  // The project's own samples only state content types other than JSON.
  const contentType = response.contentType ?? (recordedAt === undefined ? 'application/json' : undefined);
  const headers = new Headers(contentType === undefined ? {} : { 'content-type': contentType });
  const bodyText = typeof text === 'string' ? text : JSON.stringify(body ?? 'some text');
  try {
    validator.assert(method, path, { status, headers, text: bodyText });
    return undefined;
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    return `expected ${error.expected}`;
  }
}

/** Describes the first difference of two responses, apart from values that differ in every run. */
function findDifference(recorded: SampleResponse, emulated: SampleResponse): string | undefined {
  const describeDifference = (field: string, recordedValue: Json, emulatedValue: Json) =>
    `${field}: recorded ${toShortJson(recordedValue)}, emulator ${toShortJson(emulatedValue)}`;
  if (recorded.status !== emulated.status) return describeDifference('status', recorded.status, emulated.status);
  const [recordedCode, emulatedCode] = [getErrorCode(recorded.body), getErrorCode(emulated.body)];
  if (recordedCode !== emulatedCode) return describeDifference('errorCode', recordedCode, emulatedCode);
  const [recordedType, emulatedType] = [getMediaType(recorded), getMediaType(emulated)];
  if (recordedType !== emulatedType) return describeDifference('content type', recordedType, emulatedType);
  if (recorded.body === undefined || emulated.body === undefined) {
    const isSame = recorded.status < 400 ? !recorded.text === !emulated.text : recorded.text === emulated.text;
    return isSame || Array.isArray(recorded.text)
      ? undefined
      : describeDifference('text', recorded.text, emulated.text);
  }
  const found = firstDifference(recorded.body, emulated.body);
  if (!found) return undefined;
  return found.isOrder
    ? `the order of the fields of ${found.path || 'the body'}`
    : describeDifference(found.path || 'the body', found.recorded, found.emulated);
}

const getMediaType = ({ contentType = 'application/json' }: SampleResponse) =>
  contentType.split(';', 1)[0]!.trim().toLowerCase();

const toShortJson = (value: Json) => (value === undefined ? 'nothing' : excerpt(JSON.stringify(value)).slice(0, 120));

interface Difference {
  path: string;
  recorded?: Json;
  emulated?: Json;
  isOrder?: true;
}

function firstDifference(recorded: Json, emulated: Json, path = '', name = ''): Difference | undefined {
  if (!isContainer(recorded) || !isContainer(emulated) || Array.isArray(recorded) !== Array.isArray(emulated)) {
    const isSame = JSON.stringify(recorded) === JSON.stringify(emulated) || isVolatileMatch(name, emulated, recorded);
    return isSame ? undefined : { path, recorded, emulated };
  }
  for (const field of new Set([...Object.keys(recorded), ...Object.keys(emulated)])) {
    const childPath = Array.isArray(recorded) ? `${path}[${field}]` : path ? `${path}.${field}` : field;
    const found = firstDifference(getOwn(recorded, field), getOwn(emulated, field), childPath, field);
    if (found) return found;
  }
  return Object.keys(recorded).join() === Object.keys(emulated).join() ? undefined : { path, isOrder: true };
}

const isContainer = (value: Json) => typeof value === 'object' && value !== null;

export interface DriftReport {
  dir: string;
  /** URL of the emulator, or `in memory`. */
  emulator: string;
  version: string;
  at: string;
  rows: readonly DriftRow[];
}

const getNotRepeatedRows = ({ rows }: DriftReport) =>
  rows.filter(({ difference, notRepeated }) => difference === null && notRepeated !== null);

export const getDriftedRows = ({ rows }: DriftReport) => rows.filter(({ difference }) => difference !== null);

export function formatDriftReport(report: DriftReport, format: 'human' | 'json'): string {
  const differing = getDriftedRows(report);
  const skipped = getNotRepeatedRows(report);
  const agree = report.rows.length - differing.length - skipped.length;
  if (format === 'json') {
    const notRepeated = skipped.map(({ id, name, path, notRepeated }) => ({ id, name, path, reason: notRepeated }));
    return toPrintableJson({ ...report, rows: differing, notRepeated, agree, differ: differing.length });
  }
  const { dir, emulator, version } = report;
  return [
    `${dir}, compared with the contract and emulator ${version} (${emulator})`,
    ...differing.flatMap(formatRow),
    ...(skipped.length > 0 ? [''] : []),
    ...skipped.map(({ id, name, notRepeated }) => toPrintableLine(`SKIPPED  ${id}: ${name}; ${notRepeated}`)),
    '',
    `${agree} agree, ${differing.length} ${differing.length === 1 ? 'differs' : 'differ'}` +
      (skipped.length > 0 ? `, ${skipped.length} cannot be repeated` : ''),
  ].join('\n');
}

function formatRow({ id, name, contract, emulator, recorded, difference, notRepeated }: DriftRow): string[] {
  const formatStatus = ({ status, errorCode }: { status: number; errorCode: string | null }) =>
    errorCode === null ? `${status}` : `${status} ${errorCode}`;
  const conformance = !contract.isDescribed
    ? '/openapi.json does not describe this request'
    : (contract.problem ?? '/openapi.json allows the recorded response');
  const expectation = contract.expected === null ? '' : `${contract.expected}; `;
  const lines = [
    `DIFFERS  ${id}: ${name}`,
    `           contract    ${expectation}${conformance}`,
    `           emulator    ${emulator ? formatStatus(emulator) : notRepeated ? `not compared: ${notRepeated}` : 'no response'}`,
    `           recorded    ${formatStatus(recorded)}, ${recorded.at ?? 'no date'}, ${recorded.source}`,
    `           difference  ${difference}`,
  ];
  return ['', ...lines.map(toPrintableLine)];
}
