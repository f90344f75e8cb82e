import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SetupError } from '../../core/errors.ts';
import { parseWireSample, type WireSample } from '../../openapi/wire-samples.ts';
import { escapeControlChars } from '../escape-control-chars.ts';

/** Answers of 4 MB are the longest that are recorded, and their requests have no files in them. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** The samples of a file, or of all below a directory, in the order in which they were recorded. @throws SetupError */
export function loadSamples(path: string): WireSample[] {
  const samples = withReadErrors(path, () => statSync(path)).isDirectory()
    ? listJsonFiles(path).map((file) => readSample(join(path, file), file.slice(0, -'.json'.length)))
    : [readSample(path, basename(path, '.json'))];
  for (const sample of samples) {
    const validationError = findValidationError(sample);
    if (validationError)
      throw new SetupError(escapeControlChars(`${path} has what is no sample: ${sample.id} ${validationError}.`));
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
    // A pipe would wait for somebody who writes.
    if (!entry.isFile()) throw new Error('it is no file');
    if (entry.size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
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

/** Ten comes after two. */
const getSortKey = ({ id, case: caseId = id, exchange = 1 }: WireSample) =>
  `${caseId} ${String(exchange).padStart(9, '0')}`;

const MAX_REPETITIONS = 1000;
const isWithinLimits = ({ requestsBefore = 0, changes = 0 }: NonNullable<WireSample['given']>) =>
  requestsBefore <= MAX_REPETITIONS && changes <= MAX_REPETITIONS;

/** What people are shown: texts, if they are there at all, of one line. */
const DISPLAYED_FIELDS = ['id', 'name', 'source', 'recordedAt', 'case'] as const;

function findValidationError(sample: Partial<WireSample>): string | undefined {
  const { request, response, given } = sample;
  const invalidField = DISPLAYED_FIELDS.find((field) => !isSingleLineText(sample[field]));
  if (invalidField) return `has ${invalidField} that is no text of one line`;
  // Whatever is asked again is asked of the API: a sample is no way to the control plane.
  if (typeof request?.path !== 'string' || !/^\/api\/[\w/-]{1,200}$/.test(request.path)) {
    return 'has no request.path of the API';
  }
  if (!/^[A-Z]{1,20}$/.test(request.method ?? 'POST')) return 'has no request.method of HTTP';
  if (!Number.isInteger(response?.status)) return 'has no response.status';
  if (!['undefined', 'string'].includes(typeof response?.contentType)) return 'has no response.contentType';
  if (given !== undefined && !isWithinLimits(given)) return 'has a given that cannot be';
  try {
    JSON.stringify([request, response]);
  } catch {
    return 'is nested too deeply';
  }
  return undefined;
}

const isSingleLineText = (value: unknown) =>
  value === undefined || (typeof value === 'string' && escapeControlChars(value) === value);
