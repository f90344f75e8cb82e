import { z } from 'zod';
import { COMMON_PROBLEMS, type Problem, type Problems, tell } from '../http/pipeline/errors.ts';
import type { RouteDoc, Source } from '../http/pipeline/route-docs.ts';
import { type Components, errorOf, type Json, jsonSchemaOf } from './json-schema.ts';
import { examplesOf, type WireSample } from './wire-samples.ts';

const JSON_TYPE = 'application/json';

/** Codes of requests that reach no route, and what is told as another code is. */
const ELSEWHERE = ['NOT_FOUND', 'METHOD_NOT_ALLOWED', 'PROXY_REFUSED', 'AUTHORITY_FAILED', 'STOPPING'];

const RATE_LIMIT_HEADERS = {
  'x-ratelimit-limit': { $ref: '#/components/headers/RateLimitLimit' },
  'x-ratelimit-remaining': { $ref: '#/components/headers/RateLimitRemaining' },
  'x-ratelimit-reset': { $ref: '#/components/headers/RateLimitReset' },
};

/** The forms in which the vendor tells an error, by the fields that they have. */
const ERRORS: Record<string, z.ZodType> = {
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

interface Told {
  /** What the route calls it, which may be more than clients are told. */
  name: string;
  code: string;
  source: Source;
  problem: Problem;
  body: Json;
}

/** All answers of an operation, by status. `samples`: those of its path. */
export function responsesOf(
  doc: RouteDoc,
  problems: Problems,
  samples: readonly WireSample[],
  components: Components,
): Json {
  const byStatus = new Map<number, Told[]>();
  for (const [name, problem] of problemsOf(doc, problems)) {
    const { status, errorCode: code, body } = tell(name, problems, { requiredCredits: dearest(doc) });
    const source = problem.source ?? doc.sources.codes;
    byStatus.set(status, [...(byStatus.get(status) ?? []), { name, code, source, problem, body }]);
  }
  // A task that has failed is told with 500 where that is set.
  if (doc.failed && !byStatus.has(500)) byStatus.set(500, []);
  const refusals = [...byStatus]
    .sort(([one], [other]) => one - other)
    .map(([status, told]) => [status, refusal(status, told, doc, samples, components)]);
  return { '200': success(doc, samples, components), ...Object.fromEntries(refusals) };
}

function problemsOf(doc: RouteDoc, problems: Problems): [string, Problem][] {
  const common = Object.entries<Problem>(COMMON_PROBLEMS).filter(
    ([name]) =>
      !(name in problems) &&
      !ELSEWHERE.includes(name) &&
      (doc.prices !== undefined || name !== 'INSUFFICIENT_CREDITS'),
  );
  return [...Object.entries(problems), ...common];
}

const dearest = ({ prices }: RouteDoc) => Math.max(1, ...(prices?.list ?? []).map(({ credits }) => credits));

function success(
  { answers, failed, sources }: RouteDoc,
  samples: readonly WireSample[],
  components: Components,
) {
  const about = { 'x-source': sources.answers, headers: RATE_LIMIT_HEADERS };
  if (answers === 'text') {
    return {
      description: 'The text, piece by piece as it is written.',
      ...about,
      content: { 'text/plain': { schema: { type: 'string', minLength: 1 } } },
    };
  }
  const schemas = [...answers, ...(failed ? [failed] : [])].map((one) =>
    jsonSchemaOf(one, 'output', components),
  );
  return {
    description: failed ? 'How the task stands.' : 'Accepted.',
    ...about,
    content: {
      [JSON_TYPE]: {
        schema: oneOf(schemas),
        ...examplesOf(sampled(samples, 200), ({ response }) => response.body),
      },
    },
  };
}

function refusal(
  status: number,
  told: readonly Told[],
  { failed }: RouteDoc,
  samples: readonly WireSample[],
  components: Components,
) {
  const forms = new Map<string, Told[]>();
  for (const one of told) {
    const form = Object.keys(one.body).join();
    forms.set(form, [...(forms.get(form) ?? []), one]);
  }
  const schemas = [...forms].map(([form, those]) => {
    const error = ERRORS[form];
    if (!error) throw new Error(`there is no form of errors with ${form}`);
    const codes = [...new Set(those.map(({ code }) => code))];
    return errorOf(error, 'errorCode', codes, components);
  });
  if (status === 500 && failed) schemas.push(jsonSchemaOf(failed, 'output', components));
  const documented = sampled(samples, status);
  const examples = told.map(({ name, code, source, body }): [string, Json] => {
    const sample = documented.find(({ response }) => response.body.errorCode === code);
    return name === code && sample
      ? [name, { summary: sample.name, value: sample.response.body, 'x-source': sample.mark }]
      : [name, { value: body, 'x-source': source }];
  });
  const codes = new Map<string, Source>();
  for (const { code, source } of told) if (!codes.has(code)) codes.set(code, source);
  return {
    description: [...codes.keys()].join(', ') || 'A failed task, where that is set.',
    headers: status === 429 ? { ...RATE_LIMIT_HEADERS, ...RETRY_AFTER } : RATE_LIMIT_HEADERS,
    'x-error-codes': [...codes].map(([code, source]) => ({ code, 'x-source': source })),
    content: { [JSON_TYPE]: { schema: oneOf(schemas), examples: Object.fromEntries(examples) } },
  };
}

const RETRY_AFTER = { 'retry-after': { $ref: '#/components/headers/RetryAfter' } };

const oneOf = (schemas: Json[]) => (schemas.length === 1 ? schemas[0] : { oneOf: schemas });

const sampled = (samples: readonly WireSample[], status: number) =>
  samples.filter(({ response }) => response.status === status && response.body);
