import { z } from 'zod';
import {
  type Components,
  createErrorSchema,
  type Json,
  toJsonSchema,
  toSortedSchemas,
} from '../openapi/json-schema.ts';
import { ADMIN_ERRORS, type AdminErrorCode } from './error-codes.ts';
import { type NonJsonResponse, type Operation, TAGS } from './operation.ts';
import { ErrorResponse } from './response-schemas.ts';

/** A call as it was registered, as far as the document tells of it. */
export interface DocumentedOperation {
  method: string;
  url: string;
  schema?: { params?: z.ZodObject; querystring?: z.ZodObject; body?: z.ZodType };
  config: { operation: Operation };
}

export interface ControlDocumentOptions {
  operations: readonly DocumentedOperation[];
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
const SHARED_RESPONSES: Record<string, string> = {
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
export function createControlDocument({ operations, version, url }: ControlDocumentOptions): Json {
  const components: Components = new Map();
  const sharedResponses: Record<string, Json> = {};
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const path = operation.url.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = {
      ...paths[path],
      [operation.method.toLowerCase()]: toOperationObject(operation, components, sharedResponses),
    };
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
      responses: sharedResponses,
      schemas: toSortedSchemas(components),
    },
  };
}

function toOperationObject(
  operation: DocumentedOperation,
  components: Components,
  sharedResponses: Record<string, Json>,
): Json {
  const { name, tag, summary, description, responses, isOpen } = operation.config.operation;
  const { params, querystring } = operation.schema ?? {};
  const parameters = [
    ...(params ? toParameterObjects(params, 'path', components) : []),
    ...(querystring ? toParameterObjects(querystring, 'query', components) : []),
  ];
  const successResponses = Object.entries(responses).map(([status, response]) => [
    status,
    toResponseObject(response, components),
  ]);
  return {
    operationId: name,
    summary,
    description,
    tags: [tag],
    ...(isOpen && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...toRequestBodyObject(operation, components),
    responses: {
      ...Object.fromEntries(successResponses),
      ...toErrorResponses(collectErrorCodes(operation), components, sharedResponses),
    },
  };
}

function toParameterObjects(object: z.ZodObject, location: 'path' | 'query', components: Components): Json[] {
  const { properties, required = [] } = toJsonSchema(object, 'input', components);
  return Object.entries<Json>(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: location,
    ...(description && { description }),
    required: required.includes(name),
    schema,
  }));
}

function toRequestBodyObject({ method, schema }: DocumentedOperation, components: Components): Json {
  // A DELETE has a body only to be told that it means nothing.
  if (!schema?.body || method === 'DELETE') return {};
  // What a call without a body says.
  const required = !schema.body.safeParse({}).success;
  return {
    requestBody: {
      required,
      content: { [JSON_TYPE]: { schema: toJsonSchema(schema.body, 'input', components) } },
    },
  };
}

function toResponseObject(response: z.ZodType | NonJsonResponse | null, components: Components): Json {
  if (response === null) return { description: 'Done.' };
  if (response instanceof z.ZodType) {
    return {
      description: response.description ?? 'Done.',
      content: { [JSON_TYPE]: { schema: toJsonSchema(response, 'output', components) } },
    };
  }
  const { types, description } = response;
  if (types.length === 0) return { description };
  const content = types.map((type) => {
    const schema = type.startsWith('text/') ? { type: 'string' } : { type: 'string', format: 'binary' };
    return [type, { schema }];
  });
  return { description, content: Object.fromEntries(content) };
}

const GUARD_CODES = ['ADMIN_TOKEN_REQUIRED', 'LOOPBACK_ONLY', 'FOREIGN_HOST', 'FOREIGN_PAGE'] as const;

/** All codes with which a call can be refused. */
function collectErrorCodes({ schema, config: { operation } }: DocumentedOperation): AdminErrorCode[] {
  const { params, querystring, body } = schema ?? {};
  return [
    ...(querystring ? (['INVALID_INPUT'] as const) : []),
    ...(body ? (['BODY_NOT_JSON'] as const) : []),
    'MALFORMED_REQUEST',
    ...(operation.isOpen ? [] : GUARD_CODES),
    // Names in a path that cannot be decoded.
    ...(params && Object.keys(params.shape).length > 0 ? (['NOT_FOUND'] as const) : []),
    ...(params && 'key' in params.shape ? (['ACCOUNT_NOT_FOUND'] as const) : []),
    ...(operation.codes ?? []),
    ...(body ? (['BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) : []),
    'INTERNAL_ERROR',
  ];
}

function toErrorResponses(
  codes: AdminErrorCode[],
  components: Components,
  sharedResponses: Record<string, Json>,
): Json {
  const byStatus = new Map<number, AdminErrorCode[]>();
  for (const code of codes) {
    const { status } = ADMIN_ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const errorResponses = [...byStatus].map(([status, groupedCodes]) => {
    const name = SHARED_RESPONSES[groupedCodes.join(', ')];
    const response = toErrorResponse(groupedCodes, components);
    if (name === undefined) return [status, response];
    sharedResponses[name] = response;
    return [status, { $ref: `#/components/responses/${name}` }];
  });
  return Object.fromEntries(errorResponses);
}

function toErrorResponse(codes: AdminErrorCode[], components: Components): Json {
  const examples = codes.map((code) => [code, { value: { error: ADMIN_ERRORS[code].example, code } }]);
  return {
    description: codes.join(', '),
    content: {
      [JSON_TYPE]: {
        schema: createErrorSchema(ErrorResponse, 'code', codes, components),
        examples: Object.fromEntries(examples),
      },
    },
  };
}
