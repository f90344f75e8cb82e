import { z } from 'zod';
import { type Components, errorOf, type Json, jsonSchemaOf, schemasOf } from '../openapi/json-schema.ts';
import { type Code, PROBLEMS } from './error-codes.ts';
import { type Call, type OtherAnswer, TAGS } from './operation.ts';
import { Refusal } from './response-schemas.ts';

/** A call as it was registered, as far as the document tells of it. */
export interface DocumentedCall {
  method: string;
  url: string;
  schema?: { params?: z.ZodObject; querystring?: z.ZodObject; body?: z.ZodType };
  config: { call: Call };
}

export interface ControlDocumentParts {
  calls: readonly DocumentedCall[];
  version: string;
  /** Where the emulator answers. */
  url: string;
}

const DESCRIPTION = `Under \`/__admin\` a test moves time, gives credits, ends tasks, makes failures, looks at what its client did, and
puts everything back. None of these calls needs a key of the API, counts for the limiter, or appears in the journal.

They answer programs on the same machine; with an admin token whoever sends it. Pages in a browser have to be
the emulator's own, and send the header \`x-emulator-console\` with all but GET. A 409 has changed nothing.`;

const JSON_TYPE = 'application/json';

/** Refusals that many calls have in common, by their codes. */
const COMMON: Record<string, string> = {
  MALFORMED_REQUEST: 'Malformed',
  'INVALID_INPUT, MALFORMED_REQUEST': 'InvalidQuery',
  'INVALID_INPUT, BODY_NOT_JSON, MALFORMED_REQUEST': 'InvalidBody',
  ADMIN_TOKEN_REQUIRED: 'TokenRequired',
  'LOOPBACK_ONLY, FOREIGN_HOST, FOREIGN_PAGE': 'NotAllowed',
  'NOT_FOUND, ACCOUNT_NOT_FOUND': 'NoAccount',
  'NOT_FOUND, ACCOUNT_NOT_FOUND, TASK_NOT_FOUND': 'NoTask',
  BODY_TOO_LARGE: 'BodyTooLarge',
  UNSUPPORTED_MEDIA_TYPE: 'NoJson',
  INTERNAL_ERROR: 'Failed',
};

/** The control plane as an OpenAPI 3.1 document, made of what its calls are registered with. */
export function controlDocument({ calls, version, url }: ControlDocumentParts): Json {
  const components: Components = new Map();
  const common: Record<string, Json> = {};
  const paths: Record<string, Json> = {};
  for (const call of calls) {
    const path = call.url.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [call.method.toLowerCase()]: operationOf(call, components, common) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'The control plane of nanophoto-emulator',
      version,
      summary: 'Time, credits, failures, and what the client did.',
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
      contact: { name: 'The authors of nanophoto-emulator' },
    },
    servers: [{ url, description: 'This emulator' }],
    security: [{}, { bearer: [] }, { adminToken: [] }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'The admin token, where one is set.' },
        adminToken: { type: 'apiKey', in: 'header', name: 'x-admin-token', description: 'The same.' },
      },
      responses: common,
      schemas: schemasOf(components),
    },
  };
}

function operationOf(call: DocumentedCall, components: Components, common: Record<string, Json>): Json {
  const { name, tag, summary, description, answers, isOpen } = call.config.call;
  const { params, querystring } = call.schema ?? {};
  const parameters = [
    ...(params ? parametersOf(params, 'path', components) : []),
    ...(querystring ? parametersOf(querystring, 'query', components) : []),
  ];
  const told = Object.entries(answers).map(([status, answer]) => [status, answerOf(answer, components)]);
  return {
    operationId: name,
    summary,
    description,
    tags: [tag],
    ...(isOpen && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...requestBodyOf(call, components),
    responses: { ...Object.fromEntries(told), ...refusalsOf(codesOf(call), components, common) },
  };
}

function parametersOf(object: z.ZodObject, place: 'path' | 'query', components: Components): Json[] {
  const { properties, required = [] } = jsonSchemaOf(object, 'input', components);
  return Object.entries<Json>(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    ...(description && { description }),
    required: required.includes(name),
    schema,
  }));
}

function requestBodyOf({ method, schema }: DocumentedCall, components: Components): Json {
  // A DELETE has a body only to be told that it means nothing.
  if (!schema?.body || method === 'DELETE') return {};
  // What a call without a body says.
  const required = !schema.body.safeParse({}).success;
  return {
    requestBody: {
      required,
      content: { [JSON_TYPE]: { schema: jsonSchemaOf(schema.body, 'input', components) } },
    },
  };
}

function answerOf(answer: z.ZodType | OtherAnswer | null, components: Components): Json {
  if (answer === null) return { description: 'Done.' };
  if (answer instanceof z.ZodType) {
    return {
      description: answer.description ?? 'Done.',
      content: { [JSON_TYPE]: { schema: jsonSchemaOf(answer, 'output', components) } },
    };
  }
  const { types, description } = answer;
  if (types.length === 0) return { description };
  const content = types.map((type) => {
    const schema = type.startsWith('text/') ? { type: 'string' } : { type: 'string', format: 'binary' };
    return [type, { schema }];
  });
  return { description, content: Object.fromEntries(content) };
}

const GUARDS = ['ADMIN_TOKEN_REQUIRED', 'LOOPBACK_ONLY', 'FOREIGN_HOST', 'FOREIGN_PAGE'] as const;

/** All codes with which a call can be refused. */
function codesOf({ schema, config: { call } }: DocumentedCall): Code[] {
  const { params, querystring, body } = schema ?? {};
  return [
    ...(querystring ? (['INVALID_INPUT'] as const) : []),
    ...(body ? (['BODY_NOT_JSON'] as const) : []),
    'MALFORMED_REQUEST',
    ...(call.isOpen ? [] : GUARDS),
    // Names in a path that cannot be decoded.
    ...(params && Object.keys(params.shape).length > 0 ? (['NOT_FOUND'] as const) : []),
    ...(params && 'key' in params.shape ? (['ACCOUNT_NOT_FOUND'] as const) : []),
    ...(call.codes ?? []),
    ...(body ? (['BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) : []),
    'INTERNAL_ERROR',
  ];
}

function refusalsOf(codes: Code[], components: Components, common: Record<string, Json>): Json {
  const byStatus = new Map<number, Code[]>();
  for (const code of codes) {
    const { status } = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const refusals = [...byStatus].map(([status, those]) => {
    const name = COMMON[those.join(', ')];
    const refusal = refusalOf(those, components);
    if (name === undefined) return [status, refusal];
    common[name] = refusal;
    return [status, { $ref: `#/components/responses/${name}` }];
  });
  return Object.fromEntries(refusals);
}

function refusalOf(codes: Code[], components: Components): Json {
  const examples = codes.map((code) => [code, { value: { error: PROBLEMS[code].example, code } }]);
  return {
    description: codes.join(', '),
    content: {
      [JSON_TYPE]: {
        schema: errorOf(Refusal, 'code', codes, components),
        examples: Object.fromEntries(examples),
      },
    },
  };
}
