import type { Json } from '../../openapi/json-schema.ts';

/** Values that differ from run to run, by the name of their field. */
const VARIABLE: Record<string, RegExp> = {
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
export function asSampled(text: string, sample: Json): string {
  const sampled = new Map<string, unknown>();
  JSON.stringify(sample, (name, value) => {
    if (name in VARIABLE || isUrl(value)) sampled.set(name, value);
    return value;
  });
  const isAlike = (name: string, value: unknown) =>
    isUrl(value) ? leadsAlike(value, sampled.get(name)) : VARIABLE[name]?.test(String(value));
  return JSON.stringify(JSON.parse(text), (name, value) =>
    isAlike(name, value) ? sampled.get(name) : value,
  );
}

/** Whether a value differs from the sample's only as it does from run to run. */
export function variesAlike(name: string, value: unknown, sample: unknown): boolean {
  if (isUrl(value)) return leadsAlike(value, sample);
  const form = VARIABLE[name];
  if (!form?.test(String(value)) || typeof value !== typeof sample) return false;
  // Whose ids these are may have a form of its own.
  return typeof sample === 'string' || form.test(String(sample));
}

const isUrl = (value: unknown): value is string =>
  typeof value === 'string' && /^https?:\/\/[^/]+\/.+/.test(value);
const endingOf = (url: string) => /\.\w+$/.exec(url)?.[0];
/** To the same kind of file; some of the vendor's addresses end in dots. */
const leadsAlike = (url: string, sample: unknown) =>
  isUrl(sample) && (sample.endsWith('...') || endingOf(url) === endingOf(sample));

/** The page's own sample id, and one like it; they stand for whatever the server gave. */
const SAMPLE_IDS = { taskId: 'task_abc123', generationId: 'gen_abc123' };
export type Ids = Partial<typeof SAMPLE_IDS>;

/** The ids that an answer gives. */
export function idsIn(text: string): Ids {
  const taskId = /"taskId":\s*"([^"]+)"/.exec(text)?.[1];
  const generationId = /"generationId":\s*"([^"]+)"/.exec(text)?.[1];
  return { ...(taskId && { taskId }), ...(generationId && { generationId }) };
}

/** A sample's request with the ids that the server gave, and with a file where one belongs. */
export function withValues(body: Json, { taskId, generationId }: Ids, videoOf4s: () => Buffer): Json {
  if (body === undefined) return undefined;
  const text = JSON.stringify(body)
    .replaceAll(SAMPLE_IDS.taskId, taskId ?? SAMPLE_IDS.taskId)
    .replaceAll(SAMPLE_IDS.generationId, generationId ?? SAMPLE_IDS.generationId)
    .replace('{{video of 4 s}}', () => videoOf4s().toString('base64'));
  return JSON.parse(text);
}
