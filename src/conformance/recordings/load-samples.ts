import { type Dirent, opendirSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { escapeControlChars } from '../../core/control-chars.ts';
import { SetupError } from '../../core/errors.ts';
import { readTextFile } from '../../core/files.ts';
import { endSentence } from '../../core/sentence.ts';
import { parseWireSample, type WireSample } from '../../openapi/wire-samples.ts';

export const SAMPLE_LIMITS = {
  /** All samples together: recorded responses have up to half a megabyte, and recorded requests contain no uploads. */
  bytes: 32 * 1024 * 1024,
  /** Files and directories. A recording of all cases has about a thousand. */
  entries: 50_000,
  /** Requests that replaying all samples may repeat. */
  repetitions: 10_000,
};

/**
 * Loads the sample in a file, or all samples below a directory, in the order of their exchanges. Links to directories
 * are not followed.
 *
 * @throws SetupError when a file cannot be read or is not a sample
 */
export function loadSamples(path: string, limits = SAMPLE_LIMITS): WireSample[] {
  const files = withReadErrors(path, () => statSync(path)).isDirectory()
    ? listJsonFiles(path, limits.entries).map((file) => [file, relative(path, file).slice(0, -'.json'.length)] as const)
    : [[path, basename(path, '.json')] as const];
  let bytes = 0;
  let repetitions = 0;
  const samples = files.map(([file, id]) => {
    const sample = withReadErrors(file, () => {
      const text = readTextFile(file, limits.bytes);
      bytes += Buffer.byteLength(text);
      return parseWireSample(id, text);
    });
    const validationError = findValidationError(sample);
    if (validationError) throw new SetupError(`${path} contains an invalid sample: ${sample.id} ${validationError}.`);
    const { requestsBefore = 0, changes = 0 } = sample.given ?? {};
    repetitions += requestsBefore + changes;
    if (bytes > limits.bytes)
      throw new SetupError(`${path} has more than ${limits.bytes} bytes of samples; choose fewer of them.`);
    if (repetitions > limits.repetitions) {
      throw new SetupError(
        `${path} has samples that repeat more than ${limits.repetitions} requests; choose fewer of them.`,
      );
    }
    return sample;
  });
  return samples.sort((a, b) => {
    const [firstKey, secondKey] = [getSortKey(a), getSortKey(b)];
    return firstKey < secondKey ? -1 : Number(firstKey > secondKey);
  });
}

/** Lists the files below a directory. Links to directories count as files, so that links in a circle have an end. */
function listJsonFiles(path: string, maxEntries: number): string[] {
  const files: string[] = [];
  const pending = [path];
  let entryCount = 0;
  for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
    for (const entry of readDirectory(dir)) {
      entryCount += 1;
      if (entryCount > maxEntries)
        throw new SetupError(`${path} has more than ${maxEntries} files and directories; choose a part of it.`);
      const child = join(dir, entry.name);
      if (entry.isDirectory()) pending.push(child);
      else if (entry.name.endsWith('.json')) files.push(child);
    }
  }
  return files.sort();
}

/** Yields the entries one by one, because a directory may have millions. */
function* readDirectory(path: string): Generator<Dirent> {
  const handle = withReadErrors(path, () => opendirSync(path));
  try {
    const next = () => withReadErrors(path, () => handle.readSync());
    for (let entry = next(); entry !== null; entry = next()) yield entry;
  } finally {
    handle.closeSync();
  }
}

function withReadErrors<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new SetupError(`${path} cannot be read: ${endSentence((cause as Error).message)}`, { cause });
  }
}

/** Sorts exchange 10 after exchange 2. */
const getSortKey = ({ id, case: caseId = id, exchange = 1 }: WireSample) =>
  `${caseId} ${String(exchange).padStart(9, '0')}`;

/** Fields that reports print; each may be absent, or a text of one line. */
const DISPLAYED_FIELDS = ['id', 'name', 'source', 'recordedAt', 'case', 'failure', 'notRepeatable'] as const;

/** Describes why `drift` and `import` reject a sample. Undefined: they accept it. */
export function findValidationError(sample: Partial<WireSample>): string | undefined {
  const { request, response, given, exchange } = sample;
  const invalidField = DISPLAYED_FIELDS.find((field) => !isSingleLineText(sample[field]));
  if (invalidField) return `has an invalid ${invalidField}, which must be one line of text`;
  // drift sends the requests of samples again.
  if (!request || !isApiPath(request.path)) return 'has no request.path below /api/';
  if (!isMethod(request.method ?? 'POST')) return 'has an invalid request.method';
  if (!response || !Number.isInteger(response.status)) return 'has no response.status';
  if (!isHeaderValue(response.contentType)) return 'has an invalid response.contentType';
  if (!isHeaderValue(request.contentType)) return 'has an invalid request.contentType';
  if (!['undefined', 'string'].includes(typeof request.text)) return 'has an invalid request.text';
  if (exchange !== undefined && !isCount(exchange)) return 'has an invalid exchange';
  const { submitted, requestsBefore = 0, changes = 0 } = given ?? {};
  if (submitted && !isApiPath(submitted.path)) return 'has no given.submitted.path below /api/';
  if (![requestsBefore, changes].every(isCount))
    return 'has a given.requestsBefore or given.changes that is not a whole number';
  return undefined;
}

/** Whether `drift` may send a request to this path. It must not reach the control plane or another host. */
export const isApiPath = (path: unknown) => typeof path === 'string' && /^\/api\/[\w/-]{1,200}$/.test(path);
const isMethod = (method: unknown) => typeof method === 'string' && /^[A-Z]{1,20}$/.test(method);
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;

const isHeaderValue = (value: unknown) =>
  value === undefined || (typeof value === 'string' && /^[\x20-\x7e]*$/.test(value));
const isSingleLineText = (value: unknown) =>
  value === undefined || (typeof value === 'string' && escapeControlChars(value) === value);
