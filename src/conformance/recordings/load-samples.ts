import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SetupError } from '../../core/errors.ts';
import { parseWireSample, type WireSample } from '../../openapi/wire-samples.ts';
import { escapeControlChars } from '../report.ts';

/** Recorded responses have at most 4 MB, and recorded requests contain no uploads. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/**
 * Loads the sample in a file, or all samples below a directory, in the order of their exchanges.
 *
 * @throws SetupError when a file cannot be read or is not a sample
 */
export function loadSamples(path: string): WireSample[] {
  const samples = withReadErrors(path, () => statSync(path)).isDirectory()
    ? listJsonFiles(path).map((file) => readSample(join(path, file), file.slice(0, -'.json'.length)))
    : [readSample(path, basename(path, '.json'))];
  for (const sample of samples) {
    const validationError = findValidationError(sample);
    if (validationError)
      throw new SetupError(escapeControlChars(`${path} contains an invalid sample: ${sample.id} ${validationError}.`));
  }
  return samples.sort((a, b) => {
    const [firstKey, secondKey] = [getSortKey(a), getSortKey(b)];
    return firstKey < secondKey ? -1 : Number(firstKey > secondKey);
  });
}

const listJsonFiles = (dir: string): string[] =>
  withReadErrors(dir, () => readdirSync(dir, { recursive: true, encoding: 'utf8' }))
    .filter((file) => file.endsWith('.json'))
    .sort();

function readSample(path: string, name: string): WireSample {
  return withReadErrors(path, () => {
    const entry = statSync(path);
    // Reading a named pipe blocks until it has a writer.
    if (!entry.isFile()) throw new Error('it is not a file');
    if (entry.size > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES} bytes`);
    return parseWireSample(name, readFileSync(path, 'utf8'));
  });
}

function withReadErrors<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new SetupError(escapeControlChars(`${path} cannot be read: ${(cause as Error).message}.`), {
      cause,
    });
  }
}

/** Sorts exchange 10 after exchange 2. */
const getSortKey = ({ id, case: caseId = id, exchange = 1 }: WireSample) =>
  `${caseId} ${String(exchange).padStart(9, '0')}`;

const MAX_REPETITIONS = 1000;
const isWithinLimits = ({ requestsBefore = 0, changes = 0 }: NonNullable<WireSample['given']>) =>
  requestsBefore <= MAX_REPETITIONS && changes <= MAX_REPETITIONS;

/** Fields that reports print; each may be absent, or a text of one line. */
const DISPLAYED_FIELDS = ['id', 'name', 'source', 'recordedAt', 'case'] as const;

function findValidationError(sample: Partial<WireSample>): string | undefined {
  const { request, response, given } = sample;
  const invalidField = DISPLAYED_FIELDS.find((field) => !isSingleLineText(sample[field]));
  if (invalidField) return `has ${invalidField} that is not a text of one line`;
  // drift sends the requests of samples again, and a sample must not reach the control plane.
  if (typeof request?.path !== 'string' || !/^\/api\/[\w/-]{1,200}$/.test(request.path)) {
    return 'has no request.path below /api/';
  }
  if (!/^[A-Z]{1,20}$/.test(request.method ?? 'POST')) return 'has an invalid request.method';
  if (!Number.isInteger(response?.status)) return 'has no response.status';
  if (!['undefined', 'string'].includes(typeof response?.contentType)) return 'has an invalid response.contentType';
  if (given !== undefined && !isWithinLimits(given)) return `has more than ${MAX_REPETITIONS} repetitions in given`;
  try {
    JSON.stringify([request, response]);
  } catch {
    return 'is nested too deeply';
  }
  return undefined;
}

const isSingleLineText = (value: unknown) =>
  value === undefined || (typeof value === 'string' && escapeControlChars(value) === value);
