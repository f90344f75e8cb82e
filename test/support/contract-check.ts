import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

// biome-ignore lint/suspicious/noExplicitAny: documents and responses of every shape
type Json = any;

export interface Exchange {
  method: string;
  path: string;
  /** The request body. */
  requestText: string;
  status: number;
  contentType: string;
  payload: string;
}

/** Describes how a response violates the contract; undefined if it does not, or if the document lacks the request. */
export type ResponseCheck = (exchange: Exchange) => string | undefined;

/** Checks responses against an OpenAPI document: unknown statuses, additional and missing fields. */
export function createContractCheck(document: Json): ResponseCheck {
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
  formats.default(ajv);
  ajv.addSchema({ $id: 'contract', ...document });
  const validators = new Map<string, ValidateFunction>();
  const patterns = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+').replaceAll('.', '\\.')}$`),
  }));

  function findSchemaError(value: Json, ...segments: (string | number)[]): string | undefined {
    const pointer = toJsonPointer(segments);
    const validate = validators.get(pointer) ?? ajv.compile({ $ref: `contract#${pointer}` });
    validators.set(pointer, validate);
    return validate(value) ? undefined : ajv.errorsText(validate.errors);
  }

  /** An accepted request must match the document. */
  function findRequestError(
    { path, requestText }: Exchange,
    operation: Json,
    operationPath: string[],
  ): string | undefined {
    const { requestBody, parameters = [] } = operation;
    if (requestBody && (requestText !== '' || requestBody.required)) {
      const body = tryParse(requestText.replace(/^\uFEFF/, ''));
      if (body === undefined) return 'a request that is not JSON was accepted';
      const error = findSchemaError(body, ...operationPath, 'requestBody', 'content', 'application/json', 'schema');
      if (error) return `an invalid request was accepted: ${error}`;
    }
    const query = new URLSearchParams(path.split('?')[1]);
    for (const [index, { name, in: location, required, schema }] of parameters.entries()) {
      if (location !== 'query') continue;
      const queryValue = query.get(name);
      query.delete(name);
      if (queryValue === null && required) return `an invalid request was accepted: ${name} is required`;
      if (queryValue === null) continue;
      const value = schema.type === 'integer' ? Number(queryValue) : queryValue;
      const error = findSchemaError(value, ...operationPath, 'parameters', index, 'schema');
      if (error) return `an invalid request was accepted: ${name}: ${error}`;
    }
    const unknown = [...query.keys()];
    return unknown.length > 0
      ? `an invalid request was accepted: the contract has no parameters ${unknown}`
      : undefined;
  }

  function findResponseError(
    { status, contentType, payload }: Exchange,
    operation: Json,
    operationPath: string[],
  ): string | undefined {
    const declared = operation.responses[status];
    if (declared === undefined) return 'the contract does not have this status';
    // Responses shared by several operations.
    const [, shared] = /^#\/components\/responses\/(\w+)$/.exec(declared.$ref ?? '') ?? [];
    const response = shared === undefined ? declared : document.components.responses[shared];
    const responsePath =
      shared === undefined ? [...operationPath, 'responses', status] : ['components', 'responses', shared];
    const [type = ''] = contentType.split(';');
    if (!response.content) return payload === '' ? undefined : 'the contract does not have a body';
    if (response.content[type] === undefined) return `the contract does not have the content type ${type}`;
    const value = type === 'application/json' ? JSON.parse(payload) : payload;
    return findSchemaError(value, ...responsePath, 'content', type, 'schema');
  }

  return function check(exchange) {
    const { method, path, status, payload } = exchange;
    const [pathname = ''] = path.split(/[?#]/);
    const match =
      patterns.find((one) => one.path === pathname) ?? patterns.find(({ pattern }) => pattern.test(pathname));
    const operation = match && document.paths[match.path][method.toLowerCase()];
    if (!match || !operation) return undefined;
    const operationPath = ['paths', match.path, method.toLowerCase()];
    const error =
      (status < 300 ? findRequestError(exchange, operation, operationPath) : undefined) ??
      findResponseError(exchange, operation, operationPath);
    return error && `${error}; ${method} ${path} responded with ${status}: ${payload.slice(0, 500)}`;
  };
}

/** A JSON pointer as a fragment (RFC 6901). */
const toJsonPointer = (parts: (string | number)[]) =>
  parts.map((part) => `/${encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');

/** Returns undefined for a text that is not JSON. */
function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
