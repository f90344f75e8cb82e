import type { Json } from '../openapi/json-schema.ts';
import type { ContractValidator } from './contract-validator.ts';
import { getBodySchema, getProperties } from './contract-validator.ts';

const IMAGE_URL = 'https://static.nanophoto.ai/demo/nano-banana-pro.webp';

/** Returns the cheapest example request of the document; of several, the shortest. */
export function minimalBody(validator: ContractValidator, path: string): Json {
  const { examples = {} } = validator.operationOf(path).requestBody.content['application/json'];
  const [first] = Object.values<Json>(examples)
    .map(({ value }) => ({
      value,
      rank: validator.estimatePrice(path, value) * 10_000 + JSON.stringify(value).length,
    }))
    .sort((a, b) => a.rank - b.rank);
  if (!first) throw new Error(`the document has no example request for ${path}`);
  return first.value;
}

/** Copies a body with other values. Undefined removes a field. */
export function withChanges(body: Json, changes: Record<string, Json>): Json {
  return JSON.parse(JSON.stringify({ ...body, ...changes }));
}

/** Copies a body and adds the fields that its values make required, such as an image in a mode that needs one. */
export function withRequiredFields(operation: Json, body: Json): Json {
  const { if: condition, then } = getBodySchema(operation);
  if (!condition || !matches(condition, body)) return body;
  const missing = ((then.required ?? []) as string[]).filter((field) => !body[field]?.length);
  const values = missing.map((field) => [field, placeholderFor(getProperties(operation)[field])]);
  return withChanges(body, Object.fromEntries(values));
}

const placeholderFor = (schema: Json): Json => (schema?.type === 'array' ? [IMAGE_URL] : 'aGVsbG8=');

export const createImageUrls = (count: number): string[] => Array.from({ length: count }, () => IMAGE_URL);

function matches({ properties = {}, required = [] }: Json, body: Json): boolean {
  return (
    (required as string[]).every((field) => field in body) &&
    Object.entries<Json>(properties).every(([field, { enum: values }]) => values.includes(body[field]))
  );
}

/** Returns a value whose type does not match the schema. */
export const wrongTypeFor = ({ type }: Json): Json => (type === 'number' || type === 'integer' ? 'five' : 5);

/** Converts the response to a submission to the body of a poll. */
export function toPollBody({ shots, generationId, taskId }: Json): Json {
  if (shots) return { taskIds: shots.map((shot: Json) => ({ shotId: shot.shotId, taskId: shot.taskId })) };
  return generationId === undefined ? { taskId } : { generationId };
}
