import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SetupError } from '../../core/errors.ts';
import type { WireSample } from '../../openapi/wire-samples.ts';
import { visible } from '../escape-control-chars.ts';

/** Answers of 4 MB are the longest that are recorded, and their requests have no files in them. */
const MOST_BYTES = 64 * 1024 * 1024;

/** The samples of a file, or of all below a directory, in the order in which they were recorded. @throws SetupError */
export function samplesAt(path: string): WireSample[] {
  const samples = reading(path, () => statSync(path)).isDirectory()
    ? filesIn(path).map((file) => readOne(join(path, file), file.slice(0, -'.json'.length)))
    : [readOne(path, basename(path, '.json'))];
  for (const sample of samples) {
    const problem = problemOf(sample);
    if (problem) throw new SetupError(visible(`${path} has what is no sample: ${sample.id} ${problem}.`));
  }
  return samples.sort((one, other) => {
    const [own, others] = [placeOf(one), placeOf(other)];
    return own < others ? -1 : Number(own > others);
  });
}

const filesIn = (dir: string): string[] =>
  reading(dir, () => readdirSync(dir, { recursive: true, encoding: 'utf8' }))
    .filter((file) => file.endsWith('.json'))
    .sort();

function readOne(path: string, name: string): WireSample {
  return reading(path, () => {
    const entry = statSync(path);
    // A pipe would wait for somebody who writes.
    if (!entry.isFile()) throw new Error('it is no file');
    if (entry.size > MOST_BYTES) throw new Error(`it has more than ${MOST_BYTES} bytes`);
    const sample = JSON.parse(readFileSync(path, 'utf8'));
    return { id: name.replaceAll('\\', '/'), ...sample };
  });
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new SetupError(visible(`${path} cannot be read: ${(cause as Error).message}.`), { cause });
  }
}

/** Ten comes after two. */
const placeOf = ({ id, case: of = id, exchange = 1 }: WireSample) =>
  `${of} ${String(exchange).padStart(9, '0')}`;

const MOST_TIMES = 1000;
const isModest = ({ requestsBefore = 0, changes = 0 }: NonNullable<WireSample['given']>) =>
  requestsBefore <= MOST_TIMES && changes <= MOST_TIMES;

/** What people are shown: texts, if they are there at all, of one line. */
const SHOWN = ['id', 'name', 'source', 'recordedAt', 'case'] as const;

function problemOf(sample: Partial<WireSample>): string | undefined {
  const { request, response, given } = sample;
  const odd = SHOWN.find((field) => !isPlain(sample[field]));
  if (odd) return `has ${odd} that is no text of one line`;
  // Whatever is asked again is asked of the API: a sample is no way to the control plane.
  if (typeof request?.path !== 'string' || !/^\/api\/[\w/-]{1,200}$/.test(request.path)) {
    return 'has no request.path of the API';
  }
  if (!/^[A-Z]{1,20}$/.test(request.method ?? 'POST')) return 'has no request.method of HTTP';
  if (!Number.isInteger(response?.status)) return 'has no response.status';
  if (!['undefined', 'string'].includes(typeof response?.contentType)) return 'has no response.contentType';
  if (given !== undefined && !isModest(given)) return 'has a given that cannot be';
  try {
    JSON.stringify([request, response]);
  } catch {
    return 'is nested too deeply';
  }
  return undefined;
}

const isPlain = (value: unknown) =>
  value === undefined || (typeof value === 'string' && visible(value) === value);
