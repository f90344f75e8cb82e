import * as z from 'zod';
import type { Route } from '../http/family.ts';
import { COMMON_ERRORS, type ErrorSpec, type ErrorTable, renderError } from '../http/pipeline/error-table.ts';
import type { Price, Provenance, RouteDocs } from '../http/pipeline/route-docs.ts';
import { type Components, createErrorSchema, type Json, toJsonSchema } from './json-schema.ts';
import { toExamples, type WireSample } from './wire-samples.ts';

const JSON_TYPE = 'application/json';

/** Codes that are not listed per route: their requests reach no route, or, for STOPPING, INTERNAL_ERROR covers it. */
const CODES_WITHOUT_ROUTE = [
  ...[
    'NOT_FOUND',
    'MCP_NOT_EMULATED',
    'METHOD_NOT_ALLOWED',
    'PROXY_REFUSED',
    'READ_ONLY',
    'AUTHORITY_FAILED',
    'STOPPING',
  ],
];

const COMMON_HEADERS = {
  'x-request-id': { $ref: '#/components/headers/RequestId' },
  'x-ratelimit-limit': { $ref: '#/components/headers/RateLimitLimit' },
  'x-ratelimit-remaining': { $ref: '#/components/headers/RateLimitRemaining' },
  'x-ratelimit-reset': { $ref: '#/components/headers/RateLimitReset' },
};

/** The shapes of the vendor's error bodies, by their fields. */
const ERROR_SCHEMAS: Record<string, z.ZodType> = {
  'success,error,errorCode': z
    .strictObject({ success: z.literal(false), error: z.string(), errorCode: z.string() })
    .meta({ id: 'Error' }),
  'success,error,errorCode,requiredCredits': z
    .strictObject({
      success: z.literal(false),
      error: z.string(),
      errorCode: z.string(),
      requiredCredits: z.int().min(0),
    })
    .meta({ id: 'ErrorWithCredits' }),
  'error,errorCode,requiredCredits': z
    .strictObject({ error: z.string(), errorCode: z.string(), requiredCredits: z.int().min(0) })
    .meta({ id: 'BareErrorWithCredits' }),
};

interface DocumentedError {
  /** The key of the route's error table; `code` is what clients see. */
  name: string;
  code: string;
  provenance: Provenance;
  errorSpec: ErrorSpec;
  body: Json;
}

/** The responses of an operation by status. `samples` are those of its path. */
export function toResponsesObject(
  { docs, errors }: Route,
  prices: readonly Price[],
  samples: readonly WireSample[],
  components: Components,
): Json {
  const byStatus = new Map<number, DocumentedError[]>();
  const requiredCredits = Math.max(1, ...prices.map(({ credits }) => credits));
  for (const [name, errorSpec] of listErrors(docs, errors)) {
    const { status, errorCode: code, body } = renderError(name, errors, { requiredCredits });
    const provenance = errorSpec.provenance ?? docs.provenance.codes;
    byStatus.set(status, [...(byStatus.get(status) ?? []), { name, code, provenance, errorSpec, body }]);
  }
  // With --failed-task-status 500, polls of a failed task have status 500.
  if (docs.failed && !byStatus.has(500)) byStatus.set(500, []);
  const errorResponses = [...byStatus]
    .sort(([one], [other]) => one - other)
    .map(([status, statusErrors]) => [status, toErrorResponse(status, statusErrors, docs, samples, components)]);
  return { '200': toSuccessResponse(docs, samples, components), ...Object.fromEntries(errorResponses) };
}

function listErrors(docs: RouteDocs, errors: ErrorTable): [string, ErrorSpec][] {
  const common = Object.entries<ErrorSpec>(COMMON_ERRORS).filter(
    ([name]) =>
      !(name in errors) &&
      !CODES_WITHOUT_ROUTE.includes(name) &&
      (docs.prices !== undefined || name !== 'INSUFFICIENT_CREDITS'),
  );
  return [...Object.entries(errors), ...common];
}

function toSuccessResponse(
  { responses, failed, provenance }: RouteDocs,
  samples: readonly WireSample[],
  components: Components,
) {
  const sharedFields = { 'x-source': provenance.responses, headers: COMMON_HEADERS };
  if (responses === 'text') {
    return {
      description: 'The text, streamed as it is generated.',
      ...sharedFields,
      content: { 'text/plain': { schema: { type: 'string', minLength: 1 } } },
    };
  }
  const schemas = [...responses, ...(failed ? [failed] : [])].map((schema) =>
    toJsonSchema(schema, 'output', components),
  );
  return {
    description: failed ? 'The current state of the task.' : 'Accepted.',
    ...sharedFields,
    content: {
      [JSON_TYPE]: {
        schema: oneOf(schemas),
        ...toExamples(filterSamples(samples, 200), ({ response }) => response.body),
      },
    },
  };
}

function toErrorResponse(
  status: number,
  errors: readonly DocumentedError[],
  { failed }: RouteDocs,
  samples: readonly WireSample[],
  components: Components,
) {
  const errorsByShape = new Map<string, DocumentedError[]>();
  for (const error of errors) {
    const shape = Object.keys(error.body).join();
    errorsByShape.set(shape, [...(errorsByShape.get(shape) ?? []), error]);
  }
  const schemas = [...errorsByShape].map(([shape, group]) => {
    const errorSchema = ERROR_SCHEMAS[shape];
    if (!errorSchema) throw new Error(`no schema for errors with the fields ${shape}`);
    const codes = [...new Set(group.map(({ code }) => code))];
    return createErrorSchema(errorSchema, 'errorCode', codes, components);
  });
  if (status === 500 && failed) schemas.push(toJsonSchema(failed, 'output', components));
  const documentedSamples = filterSamples(samples, status);
  const examples = errors.map(({ name, code, provenance, body }): [string, Json] => {
    const sample = documentedSamples.find(({ response }) => response.body.errorCode === code);
    return name === code && sample
      ? [name, { summary: sample.name, value: sample.response.body, 'x-source': sample.provenance }]
      : [name, { value: body, 'x-source': provenance }];
  });
  const codes = new Map<string, Provenance>();
  for (const { code, provenance } of errors) if (!codes.has(code)) codes.set(code, provenance);
  return {
    description: [...codes.keys()].join(', ') || 'A failed task, if --failed-task-status is 500.',
    headers: status === 429 ? { ...COMMON_HEADERS, ...RETRY_AFTER } : COMMON_HEADERS,
    'x-error-codes': [...codes].map(([code, provenance]) => ({ code, 'x-source': provenance })),
    content: { [JSON_TYPE]: { schema: oneOf(schemas), examples: Object.fromEntries(examples) } },
  };
}

const RETRY_AFTER = { 'retry-after': { $ref: '#/components/headers/RetryAfter' } };

const oneOf = (schemas: Json[]) => (schemas.length === 1 ? schemas[0] : { oneOf: schemas });

const filterSamples = (samples: readonly WireSample[], status: number) =>
  samples.filter(({ response }) => response.status === status && response.body);
