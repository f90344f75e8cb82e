import type { Json } from '../../openapi/json-schema.ts';

/** Values that differ from run to run, by the name of their field. */
const VOLATILE_FIELDS: Record<string, RegExp> = {
  taskId: /^task_./,
  generationId: /./,
  generationTime: /^[1-9]\d*$/,
  // 0 and 100 have a meaning of their own.
  progress: /^[1-9]\d?$/,
};

/**
 * The text of an answer with its variable values replaced by the sample's, wherever they have the form they should have. What is
 * the same then is the same to the letter: fields, their order, wording.
 */
export function normalizeToSample(text: string, sample: Json): string {
  const sampleValues = new Map<string, unknown>();
  JSON.stringify(sample, (name, value) => {
    if (name in VOLATILE_FIELDS || isUrl(value)) sampleValues.set(name, value);
    return value;
  });
  const isVolatile = (name: string, value: unknown) =>
    isUrl(value) ? hasSameFileType(value, sampleValues.get(name)) : VOLATILE_FIELDS[name]?.test(String(value));
  return JSON.stringify(JSON.parse(text), (name, value) => (isVolatile(name, value) ? sampleValues.get(name) : value));
}

/** Whether a value differs from the sample's only as it does from run to run. */
export function isVolatileMatch(name: string, value: unknown, sample: unknown): boolean {
  if (isUrl(value)) return hasSameFileType(value, sample);
  const pattern = VOLATILE_FIELDS[name];
  if (!pattern?.test(String(value)) || typeof value !== typeof sample) return false;
  // Whose ids these are may have a form of its own.
  return typeof sample === 'string' || pattern.test(String(sample));
}

const isUrl = (value: unknown): value is string => typeof value === 'string' && /^https?:\/\/[^/]+\/.+/.test(value);
const getExtension = (url: string) => /\.\w+$/.exec(url)?.[0];
/** To the same kind of file; some of the vendor's addresses end in dots. */
const hasSameFileType = (url: string, sample: unknown) =>
  isUrl(sample) && (sample.endsWith('...') || getExtension(url) === getExtension(sample));

/** The page's own sample id, and one like it; they stand for whatever the server gave. */
const SAMPLE_IDS = { taskId: 'task_abc123', generationId: 'gen_abc123' };
export type Ids = Partial<typeof SAMPLE_IDS>;

/** The ids that an answer gives. */
export function extractIds(text: string): Ids {
  const taskId = /"taskId":\s*"([^"]+)"/.exec(text)?.[1];
  const generationId = /"generationId":\s*"([^"]+)"/.exec(text)?.[1];
  return { ...(taskId && { taskId }), ...(generationId && { generationId }) };
}

/** A sample's request with the ids that the server gave, and with a file where one belongs. */
export function substituteValues(body: Json, { taskId, generationId }: Ids, getFourSecondVideo: () => Buffer): Json {
  if (body === undefined) return undefined;
  const text = JSON.stringify(body)
    .replaceAll(SAMPLE_IDS.taskId, taskId ?? SAMPLE_IDS.taskId)
    .replaceAll(SAMPLE_IDS.generationId, generationId ?? SAMPLE_IDS.generationId)
    .replace('{{video of 4 s}}', () => getFourSecondVideo().toString('base64'));
  return JSON.parse(text);
}
