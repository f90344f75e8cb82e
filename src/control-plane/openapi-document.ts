import * as z from 'zod';
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

export interface ControlDocumentOptions {
  operations: readonly Operation[];
  version: string;
  /** The emulator's base URL. */
  url: string;
}

const DESCRIPTION = `Under \`/__admin\`, a test controls time, credits, tasks and faults, reads the client's requests, and resets
state. These operations need no API key, do not count towards rate limits, and do not appear in the journal.

With \`--admin-token\`, every caller must send that token. Without it, programs on the same machine need no token, and
programs on other machines must send the one that the emulator prints at the start, unless \`--admin-remote\` is on. In a
browser, only the emulator's own pages may call these operations, and must send the header \`x-emulator-console\` with
every request except GET. A 409 changes nothing.`;

const JSON_TYPE = 'application/json';

/** Names of error responses that many operations share, by their codes. */
const SHARED_RESPONSES: Record<string, string> = {
  MALFORMED_REQUEST: 'Malformed',
  'INVALID_INPUT, MALFORMED_REQUEST': 'InvalidQuery',
  'INVALID_INPUT, BODY_NOT_JSON, MALFORMED_REQUEST': 'InvalidBody',
  ADMIN_TOKEN_REQUIRED: 'TokenRequired',
  'LOOPBACK_ONLY, FOREIGN_HOST, FOREIGN_PAGE': 'NotAllowed',
  'LOOPBACK_ONLY, FOREIGN_HOST, FOREIGN_PAGE, READ_ONLY': 'NoChange',
  'NOT_FOUND, ACCOUNT_NOT_FOUND': 'NoAccount',
  'NOT_FOUND, ACCOUNT_NOT_FOUND, TASK_NOT_FOUND': 'NoTask',
  BODY_TOO_LARGE: 'BodyTooLarge',
  UNSUPPORTED_MEDIA_TYPE: 'NoJson',
  INTERNAL_ERROR: 'Failed',
  OUT_OF_MEMORY: 'OutOfMemory',
};

/** Generates the OpenAPI 3.1 document of the control plane from its operations. */
export function createControlDocument({ operations, version, url }: ControlDocumentOptions): Json {
  const components: Components = new Map();
  const sharedResponses: Record<string, Json> = {};
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const path = `${operation.isOpen ? '' : '/__admin'}${operation.path.replaceAll(/:(\w+)/g, '{$1}')}`;
    paths[path] = {
      ...paths[path],
      [operation.method.toLowerCase()]: toOperationObject(operation, components, sharedResponses),
    };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Control plane of nanophoto-emulator',
      version,
      summary: 'Controls time, credits, tasks and faults; shows what the client sent.',
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
        bearer: { type: 'http', scheme: 'bearer', description: 'The admin token, if one is set.' },
        adminToken: {
          type: 'apiKey',
          in: 'header',
          name: 'x-admin-token',
          description: 'The admin token, as an alternative to `bearer`.',
        },
      },
      responses: sharedResponses,
      schemas: toSortedSchemas(components),
    },
  };
}

function toOperationObject(operation: Operation, components: Components, sharedResponses: Record<string, Json>): Json {
  const { name, tag, summary, description, params, query, responses, isOpen } = operation;
  const parameters = [
    ...(params ? toParameterObjects(params, 'path', components) : []),
    ...(query ? toParameterObjects(query, 'query', components) : []),
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

function toRequestBodyObject({ method, body }: Operation, components: Components): Json {
  // A DELETE accepts only an empty object, so that unknown fields are rejected.
  if (!body || method === 'DELETE') return {};
  // A request without a body means the same as one with an empty object.
  const required = !body.safeParse({}).success;
  return { requestBody: { required, content: { [JSON_TYPE]: { schema: toJsonSchema(body, 'input', components) } } } };
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

/** All error codes of an operation: its own and those of its parameters, its body and the guard. */
function collectErrorCodes({ method, params, query, body, codes = [], isOpen }: Operation): AdminErrorCode[] {
  return [
    ...(query ? (['INVALID_INPUT'] as const) : []),
    ...(body ? (['BODY_NOT_JSON'] as const) : []),
    'MALFORMED_REQUEST',
    ...(isOpen ? [] : GUARD_CODES),
    ...(method === 'GET' ? [] : (['READ_ONLY'] as const)),
    // A path segment that cannot be decoded.
    ...(params && Object.keys(params.shape).length > 0 ? (['NOT_FOUND'] as const) : []),
    ...(params && 'key' in params.shape ? (['ACCOUNT_NOT_FOUND'] as const) : []),
    ...codes,
    ...(body ? (['BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) : []),
    'INTERNAL_ERROR',
    // A large body or response, or data to store; the open operations have small ones.
    ...(isOpen ? [] : (['OUT_OF_MEMORY'] as const)),
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
