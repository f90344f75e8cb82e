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
export const normalizeToSample = (text: string, sample: Json): string =>
  JSON.stringify(normalize(parseBody(text), sample));

function normalize(value: Json, sample: Json, name = ''): Json {
  if (sample === undefined) return value;
  if (Array.isArray(value)) return value.map((one, index) => normalize(one, sample?.[index], name));
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value);
    return Object.fromEntries(fields.map(([field, one]) => [field, normalize(one, getOwn(sample, field), field)]));
  }
  const isVolatile = isUrl(value) ? hasSameFileType(value, sample) : VOLATILE_FIELDS.get(name)?.test(toText(value));
  return isVolatile ? sample : value;
}

/** Not inherited: a recording may have fields with names such as `constructor`. */
export const getOwn = (value: Json, field: string): Json =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, field) ? value[field] : undefined;

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
/** The query of a signed URL is redacted in recordings. */
const getExtension = (url: string) => /\.\w+$/.exec(url.split('?', 1)[0]!)?.[0];
/** Whether both URLs end in the same file type. Some URLs in the vendor's pages end in dots. */
const hasSameFileType = (url: string, sample: unknown) =>
  isUrl(sample) && (sample.endsWith('...') || getExtension(url) === getExtension(sample));

/** Placeholders in samples for the ids that the server assigns: the vendor's sample id, and one like it. */
const PLACEHOLDERS = { taskId: 'task_abc123', generationId: 'gen_abc123' };
/** The placeholder of a further task of the same request ends in its number. */
const PLACEHOLDER = /\b(task_abc123|gen_abc123)(?:_(\d{1,4}))?\b/g;
const ID = /"(taskId|generationId)":\s*"([^"]+)"/g;
/** Recordings have it in place of an upload other than the video of 4 s. */
export const FILE_PLACEHOLDER = /\{\{file of \d{1,12} bytes\}\}/;
/** Recordings have a placeholder in place of an upload. A replay sends a video of 4 s instead. */
const UPLOAD_PLACEHOLDER = new RegExp(`\\{\\{video of 4 s\\}\\}|${FILE_PLACEHOLDER.source}`, 'g');

/** Ids that a server has assigned, by the placeholders that samples have instead. */
export type Ids = ReadonlyMap<string, string>;

/** Extracts the ids from the text of a response. */
export function extractIds(text: string): Ids {
  const ids = new Map<string, string>();
  const known = new Set<string>();
  const counts = { taskId: 0, generationId: 0 };
  for (const [, field, id] of text.matchAll(ID) as Iterable<[string, keyof typeof counts, string]>) {
    if (known.has(id)) continue;
    known.add(id);
    counts[field] += 1;
    ids.set(`${PLACEHOLDERS[field]}${counts[field] === 1 ? '' : `_${counts[field]}`}`, id);
  }
  return ids;
}

/** Replaces the placeholders in the request of a sample: the ids, and uploads. */
export function substituteValues(body: Json, ids: Ids, getFourSecondVideo: () => Buffer): Json {
  if (body === undefined) return undefined;
  const text = JSON.stringify(body)
    // Functions, because patterns such as $' in an id of the server would be replaced.
    .replaceAll(PLACEHOLDER, (placeholder) => ids.get(placeholder) ?? placeholder)
    .replaceAll(UPLOAD_PLACEHOLDER, () => getFourSecondVideo().toString('base64'));
  return JSON.parse(text);
}
