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

function problemOf({ request, response }: Partial<WireSample>): string | undefined {
  if (typeof request?.path !== 'string' || !request.path.startsWith('/')) return 'has no request.path';
  if (!Number.isInteger(response?.status)) return 'has no response.status';
  return undefined;
}
