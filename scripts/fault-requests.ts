import {
  type ContractValidator,
  createContractValidator,
  getBodySchema,
  getProperties,
} from '../src/conformance/contract-validator.ts';
import { createImageUrls, minimalBody, withChanges } from '../src/conformance/request-bodies.ts';
import { imageVariants, missingVariants, requiredValues, type SetValue } from '../src/conformance/variants.ts';
import type { Json } from '../src/openapi/json-schema.ts';

/** A request that gets this error code. Without a key it is sent with `np_test_default`. */
export interface FaultRequest {
  code: string;
  status: number;
  key?: string;
  body: Json;
}

/** A body and the error code that it gets. */
interface Candidate {
  code?: string | undefined;
  body: Json;
}

/** Codes that depend on the key alone: the body does not matter. */
const CODES_BY_KEY: Record<string, string> = {
  LOGIN_REQUIRED: 'unknown',
  API_KEY_RATE_LIMIT_EXCEEDED: 'np_test_limited',
};

/** Requests that cannot be derived: the OpenAPI document states these rules in words, not in the schema. */
const OVERRIDES: Record<string, Json> = {
  // `FORBIDDEN` needs an image that another key has made; the page explains the placeholder.
  FORBIDDEN: { generationId: 'GENERATION_OF_ANOTHER_KEY' },
  // The schema has one pattern for the link, and its code is the one for a missing link.
  INVALID_SHARE_LINK: { share_link: 'https://example.com/p/s_1' },
  // The meaning of `videoUrl` and the content of `videoFile` depend on `videoSource`.
  INVALID_YOUTUBE_URL: { videoSource: 'youtube', videoUrl: 'https://example.com/watch?v=W-15-UmGP5s' },
  INVALID_VIDEO_URL: { videoSource: 'url', videoUrl: 'https://example.com/a.mov' },
  INVALID_FORMAT: { videoSource: 'file', videoFile: 'aGVsbG8=' },
  VIDEO_DOWNLOAD_FAILED: { videoSource: 'url', videoUrl: 'https://example.invalid/a.mp4' },
  // An MP4 file that ends after its `ftyp` box.
  VIDEO_PROCESSING_FAILED: { videoSource: 'file', videoFile: 'AAAAGGZ0eXBtcDQyAAAAAG1wNDJpc29t' },
};

/** Whether the API has this code only because the emulator limits its own resources. */
const isOwnLimit = ({ code, 'x-source': provenance }: Json) =>
  code === 'SERVICE_UNAVAILABLE' && provenance === 'assumed';

export const isFree = (operation: Json): boolean =>
  (operation['x-prices']?.list ?? []).every(({ credits }: Json) => credits === 0);

/** The error codes of an operation, each with its first status and its provenance, in the order of the document. */
export function listCodes(operation: Json): { code: string; status: number; provenance: string }[] {
  const codes = new Map<string, { code: string; status: number; provenance: string }>();
  for (const [status, response] of Object.entries<Json>(operation.responses)) {
    for (const entry of response['x-error-codes'] ?? []) {
      const { code, 'x-source': provenance } = entry;
      if (codes.has(code) || isOwnLimit(entry) || (code === 'INSUFFICIENT_CREDITS' && isFree(operation))) continue;
      codes.set(code, { code, status: Number(status), provenance });
    }
  }
  return [...codes.values()];
}

/** One request for each error code of each endpoint. */
export function createFaultRequests(document: Json): Map<string, FaultRequest[]> {
  const validator = createContractValidator(document);
  const paths = Object.keys(document.paths);
  return new Map(paths.map((path) => [path, createRequests(validator, path)]));
}

function createRequests(validator: ContractValidator, path: string): FaultRequest[] {
  const operation = validator.operationOf(path);
  const body = createShortBody(validator, path);
  const candidates = listCandidates(validator, path, body);
  const requests = listCodes(operation).map(({ code, status }): FaultRequest => {
    const keyForCode = CODES_BY_KEY[code];
    if (keyForCode) return { code, status, key: keyForCode, body: {} };
    if (code === 'INSUFFICIENT_CREDITS') return { code, status, key: 'np_test_empty', body };
    const found = candidates.find((candidate) => candidate.code === code);
    if (OVERRIDES[code] ?? found) return { code, status, body: OVERRIDES[code] ?? withShortUrls(found!.body) };
    return { code, status, body: withDirective(operation, body, `fail=${code}`) };
  });
  const isForKey = ({ code }: FaultRequest) => code in CODES_BY_KEY;
  return [...requests.filter(isForKey), ...requests.filter((request) => !isForKey(request))];
}

/** The cheapest example of the document, reduced to required fields and short texts, in a mode that needs no others. */
export function createShortBody(validator: ContractValidator, path: string): Json {
  const operation = validator.operationOf(path);
  const { if: condition, then, else: otherwise, ...schema } = getBodySchema(operation);
  const modes = Object.entries<Json>((then?.required && condition.properties) ?? {}).map(
    ([field, { enum: values }]) => [
      field,
      schema.properties[field].enum.find((value: string) => !values.includes(value)),
    ],
  );
  const required = [...(schema.required ?? []), ...(otherwise?.required ?? [])];
  const example = minimalBody(validator, path);
  const body = otherwise ? example : withChanges(example, Object.fromEntries(modes));
  return shorten({ ...schema, required }, body, operation['x-prices'] !== undefined);
}

function shorten({ properties, required = [] }: Json, value: Json, hasTexts: boolean): Json {
  const fields = Object.keys(properties).filter((field) => required.includes(field) && value[field] !== undefined);
  return Object.fromEntries(
    fields.map((field) => {
      const { items, pattern } = properties[field];
      if (items?.properties) return [field, [shorten(items, value[field][0], hasTexts)]];
      return [field, hasTexts && pattern === ANY_TEXT ? 'a dog' : value[field]];
    }),
  );
}

/** The URL of the vendor's sample image takes half a line of the page, several times in a list. */
const withShortUrls = (body: Json): Json =>
  JSON.parse(JSON.stringify(body).replaceAll(createImageUrls(1)[0]!, 'https://example.com/a.png'));

/** The pattern of fields that accept any text but white space. */
const ANY_TEXT = '\\S';

/** Bodies that break one rule of the schema each. */
function listCandidates(validator: ContractValidator, path: string, body: Json): Candidate[] {
  const operation = validator.operationOf(path);
  const schema = getBodySchema(operation);
  const fields = listFieldCandidates(validator, path, schema, body, (changes) => withChanges(body, changes));
  return [
    ...fields,
    ...listConditionCandidates(schema, body),
    ...listUnknownTaskCandidates(validator, path, body),
    { code: 'INVALID_INPUT', body: [] },
  ];
}

type ChangeFields = (changes: Record<string, Json>) => Json;

function listFieldCandidates(
  validator: ContractValidator,
  path: string,
  { properties, required = [], allOf = [], ...schema }: Json,
  body: Json,
  change: ChangeFields,
): Candidate[] {
  const hasCode = (code: string) => validator.hasErrorCode(path, code);
  const imageFields = requiredValues(allOf.at(-1) ?? schema);
  return Object.entries<Json>(properties).flatMap(([field, property]): Candidate[] => {
    const set: SetValue = (value) => change({ [field]: value });
    const isUrl = property.type === 'string' && property.pattern?.includes('://');
    return [
      ...(property.enum ? [{ code: 'INVALID_INPUT', body: set('undocumented') }] : []),
      ...(required.includes(field) ? missingVariants(field, property, set) : []),
      ...imageVariants(validator, path, field, property, (value) => change({ ...imageFields, [field]: value })),
      ...(isUrl && hasCode('IMAGE_URLS_REQUIRED') ? [{ code: 'IMAGE_URLS_REQUIRED', body: set('a.png') }] : []),
      ...listItemCandidates(validator, path, field, property, body),
    ];
  });
}

/** The same for the fields of the first object of a list, such as a shot. */
function listItemCandidates(
  validator: ContractValidator,
  path: string,
  field: string,
  { items }: Json,
  body: Json,
): Candidate[] {
  if (!items?.properties) return [];
  const [item] = body[field];
  const changeItem: ChangeFields = (changes) => ({ ...body, [field]: [withChanges(item, changes)] });
  const countCandidates = ((items.allOf ?? []) as Json[]).flatMap(({ if: condition, then }) => {
    const [[imageField, { maxItems }]] = Object.entries<Json>(then.properties) as [[string, Json]];
    const values = requiredValues({ if: condition });
    return [
      { code: then['x-error-code'], body: changeItem({ ...values, [imageField]: createImageUrls(maxItems + 1) }) },
    ];
  });
  return [...listFieldCandidates(validator, path, items, item, changeItem), ...countCandidates];
}

/** A mode without the fields that it needs. */
function listConditionCandidates({ if: condition, then, ...schema }: Json, body: Json): Candidate[] {
  if (!then?.required) return [];
  const missing = Object.fromEntries((then.required as string[]).map((field) => [field, undefined]));
  const changed = withChanges(body, { ...missing, ...requiredValues({ if: condition, ...schema }) });
  return [{ code: then['x-error-code'] ?? 'INVALID_INPUT', body: changed }];
}

/** The vendor's examples poll tasks that do not exist. */
function listUnknownTaskCandidates(validator: ContractValidator, path: string, body: Json): Candidate[] {
  if (validator.operationOf(path)['x-prices']) return [];
  return ['TASK_NOT_FOUND', 'NOT_FOUND'].map((code) => ({ code, body }));
}

/** A copy of the body with a directive in its first text, or in the fragment of its first URL. */
export function withDirective(operation: Json, body: Json, words: string): Json {
  return addDirective(getProperties(operation), body, `@emulator(${words})`);
}

function addDirective(properties: Record<string, Json>, body: Json, directive: string): Json {
  for (const [field, value] of Object.entries<Json>(body)) {
    const property = properties[field];
    if (typeof value === 'string' && /^https?:/.test(value)) return { ...body, [field]: `${value}#${directive}` };
    if (property.pattern === ANY_TEXT) return { ...body, [field]: directive };
    if (property.items?.properties) {
      return { ...body, [field]: [addDirective(property.items.properties, value[0], directive)] };
    }
  }
  throw new Error(`no field of ${JSON.stringify(body)} can hold a directive`);
}
