import type { Json } from '../../openapi/json-schema.ts';
import { parseBody } from '../http-client.ts';

/** Fields whose values differ in every run, and the form of their values. */
const VOLATILE_FIELDS = new Map([
  ['taskId', /^task_./],
  ['generationId', /./],
  ['generationTime', /^[1-9]\d*$/],
  // Not 0 and 100, which have a fixed meaning.
  ['progress', /^[1-9]\d?$/],
]);

/**
 * Replaces the volatile values in the text of a response with those of the sample, if they have the expected form. The
 * result can be compared literally: fields, their order and wording.
 */
export function normalizeToSample(text: string, sample: Json): string {
  const sampleValues = new Map<string, unknown>();
  JSON.stringify(sample, (name, value) => {
    if (VOLATILE_FIELDS.has(name) || isUrl(value)) sampleValues.set(name, value);
    return value;
  });
  const isVolatile = (name: string, value: unknown) =>
    isUrl(value) ? hasSameFileType(value, sampleValues.get(name)) : VOLATILE_FIELDS.get(name)?.test(toText(value));
  return JSON.stringify(parseBody(text), (name, value) => (isVolatile(name, value) ? sampleValues.get(name) : value));
}

/** Whether a value differs from the sample's only as ids, times and URLs differ from run to run. */
export function isVolatileMatch(name: string, value: unknown, sample: unknown): boolean {
  if (isUrl(value)) return hasSameFileType(value, sample);
  const pattern = VOLATILE_FIELDS.get(name);
  if (!pattern?.test(toText(value)) || typeof value !== typeof sample) return false;
  // Ids of another server may have another form.
  return typeof sample === 'string' || pattern.test(toText(sample));
}

/** Converts a value to text. String() throws for an object whose `toString` is not a function. */
const toText = (value: unknown) => (typeof value === 'object' ? '' : String(value));
const isUrl = (value: unknown): value is string => typeof value === 'string' && /^https?:\/\/[^/]+\/.+/.test(value);
const getExtension = (url: string) => /\.\w+$/.exec(url)?.[0];
/** Whether both URLs end in the same file type. Some URLs in the vendor's pages end in dots. */
const hasSameFileType = (url: string, sample: unknown) =>
  isUrl(sample) && (sample.endsWith('...') || getExtension(url) === getExtension(sample));

/** Placeholders in samples for the ids that the server assigns: the vendor's sample id, and one like it. */
const SAMPLE_IDS = { taskId: 'task_abc123', generationId: 'gen_abc123' };
export type Ids = Partial<typeof SAMPLE_IDS>;

/** Extracts the ids from the text of a response. */
export function extractIds(text: string): Ids {
  const taskId = /"taskId":\s*"([^"]+)"/.exec(text)?.[1];
  const generationId = /"generationId":\s*"([^"]+)"/.exec(text)?.[1];
  return { ...(taskId && { taskId }), ...(generationId && { generationId }) };
}

/** Replaces the placeholders in the request of a sample: the ids, and the uploaded video. */
export function substituteValues(body: Json, { taskId, generationId }: Ids, getFourSecondVideo: () => Buffer): Json {
  if (body === undefined) return undefined;
  const text = JSON.stringify(body)
    // Functions, because patterns such as $' in an id of the server would be replaced.
    .replaceAll(SAMPLE_IDS.taskId, () => taskId ?? SAMPLE_IDS.taskId)
    .replaceAll(SAMPLE_IDS.generationId, () => generationId ?? SAMPLE_IDS.generationId)
    .replace('{{video of 4 s}}', () => getFourSecondVideo().toString('base64'));
  return JSON.parse(text);
}
