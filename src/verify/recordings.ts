import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { SetupError } from '../core/errors.ts';
import { readSamples, type WireSample } from '../openapi/samples.ts';

/** The samples of a file, or of all below a directory, in the order in which they were recorded. @throws SetupError */
export function samplesAt(path: string): WireSample[] {
  let samples: WireSample[];
  try {
    samples = statSync(path).isDirectory() ? readSamples(path) : [readOne(path)];
  } catch (cause) {
    throw new SetupError(`${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
  for (const sample of samples) {
    const problem = problemOf(sample);
    if (problem) throw new SetupError(`${path} has what is no sample: ${sample.id} ${problem}.`);
  }
  return samples.sort((one, other) => {
    const [own, others] = [placeOf(one), placeOf(other)];
    return own < others ? -1 : Number(own > others);
  });
}

/** Ten comes after two. */
const placeOf = ({ id, case: of = id, exchange = 1 }: WireSample) =>
  `${of} ${String(exchange).padStart(9, '0')}`;

const readOne = (file: string): WireSample => ({
  id: basename(file, '.json'),
  ...JSON.parse(readFileSync(file, 'utf8')),
});

const MOST_TIMES = 1000;
const isModest = ({ requestsBefore = 0, changes = 0 }: NonNullable<WireSample['given']>) =>
  requestsBefore <= MOST_TIMES && changes <= MOST_TIMES;

function problemOf({ request, response, given }: Partial<WireSample>): string | undefined {
  // Whatever is asked again is asked of the API: a sample is no way to the control plane.
  if (typeof request?.path !== 'string' || !/^\/api\/[\w/-]{1,200}$/.test(request.path)) {
    return 'has no request.path of the API';
  }
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
