import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Price, Provenance } from '../http/pipeline/route-docs.ts';
import type { Json } from '../openapi/json-schema.ts';
import { excerpt, Mismatch } from './case-errors.ts';
import { parseBody } from './http-client.ts';

/** A longer response may have so many errors that finding all of them takes minutes. */
const MAX_CHARACTERS_FOR_ALL_ERRORS = 32 * 1024;
/** Errors that a report lists for one response; a response may have one for each of its fields. */
const MAX_ERRORS = 10;

export interface ResponseToValidate {
  status: number;
  headers: Headers;
  text: string;
}

export type ContractValidator = ReturnType<typeof createContractValidator>;

function createSchemaCompiler(document: Json, allErrors: boolean) {
  // The schemas are those of the emulator's own document, so they need no validation.
  const ajv = new Ajv2020({ strict: false, allErrors, validateSchema: false });
  formats.default(ajv);
  ajv.addSchema({ $id: 'contract', ...document });
  const validators = new Map<string, ValidateFunction>();
  return {
    /** Compiles the schema at a path in the document. */
    compile(...parts: (string | number)[]): ValidateFunction {
      const pointer = parts
        .map((part) => `/${encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))}`)
        .join('');
      const known = validators.get(pointer) ?? ajv.compile({ $ref: `contract#${pointer}` });
      validators.set(pointer, known);
      return known;
    },
  };
}

/** Validates responses, and looks up prices and error codes, by the OpenAPI document of the contract. */
export function createContractValidator(document: Json) {
  const [allErrors, firstError] = [createSchemaCompiler(document, true), createSchemaCompiler(document, false)];
  const getOperation = (path: string) => document.paths[path]?.post;

  /** Describes what the document expects instead of this response. Undefined: it is valid, or not documented. */
  function findMismatch(method: string, path: string, response: ResponseToValidate): string | undefined {
    const operation = method === 'POST' ? getOperation(path) : undefined;
    if (!operation) return undefined;
    const documented = operation.responses[response.status];
    if (!documented) return `one of the statuses ${Object.keys(operation.responses).join(', ')}`;
    const type = (response.headers.get('content-type') ?? '').split(';', 1)[0]!;
    if (!Object.hasOwn(documented.content, type))
      return `the content type ${Object.keys(documented.content).join(' or ')}`;
    const value: Json = type === 'application/json' ? parseBody(response.text) : response.text;
    if (value === undefined) return 'JSON';
    const { compile } = response.text.length > MAX_CHARACTERS_FOR_ALL_ERRORS ? firstError : allErrors;
    const schemaPath = ['paths', path, 'post', 'responses', response.status, 'content', type, 'schema'];
    const findErrors = (...parts: (string | number)[]) => {
      const validate = compile(...schemaPath, ...parts);
      return validate(value) ? [] : [...new Set((validate.errors ?? []).map(describeSchemaError))];
    };
    const errors = findErrors();
    if (errors.length === 0) return undefined;
    // The errors of all alternatives together would contradict each other.
    const alternatives: Json[] = documented.content[type].schema.oneOf ?? [];
    const [closest = errors] = alternatives
      .map((_, index) => findErrors('oneOf', index))
      .filter((some) => some.length > 0)
      .sort((a, b) => a.length - b.length);
    return `a body in which ${closest.slice(0, MAX_ERRORS).join(', ')}`;
  }

  return {
    document,
    operationOf: getOperation,
    /** Whether the document describes requests with this method and path. */
    describesRequest: (method: string, path: string) => method === 'POST' && getOperation(path) !== undefined,
    /** @throws Mismatch when the document does not allow this response */
    assert(method: string, path: string, response: ResponseToValidate): void {
      const mismatch = findMismatch(method, path, response);
      if (mismatch === undefined) return;
      const type = response.headers.get('content-type') ?? 'no content type';
      throw new Mismatch(mismatch, `${response.status}, ${type}: ${excerpt(response.text)}`);
    },
    /**
     * Computes the price of a request if it is accepted; the highest price if the body does not determine it, such as a
     * text that could not be parsed as JSON.
     */
    estimatePrice(path: string, body: Json): number {
      const prices = getOperation(path)?.['x-prices'];
      if (!prices) return 0;
      const properties = getProperties(getOperation(path));
      const fieldValue = (field: string) => body?.[field] ?? properties[field]?.default;
      const isText = typeof body === 'string';
      const found = (prices.list as Price[]).find(({ when }) =>
        Object.entries(when).every(([field, value]) => !isText && fieldValue(field) === value),
      );
      const credits = found?.credits ?? Math.max(...prices.list.map((price: Price) => price.credits));
      const shots = isText ? properties.shots?.maxItems : body?.shots?.length;
      return prices.per === 'shot' ? credits * Math.max(1, shots ?? 1) : credits;
    },
    /** Whether the price is documented or observed, not assumed. */
    isPriceKnown: (path: string) => getOperation(path)?.['x-prices']?.['x-source'] !== 'assumed',
    /** Returns the status and the provenance of an error code of an operation. @throws Error for an unknown code */
    getErrorCode(path: string, code: string): { status: number; provenance: Provenance } {
      for (const [status, response] of Object.entries<Json>(getOperation(path).responses)) {
        const known = response['x-error-codes']?.find((one: Json) => one.code === code);
        if (known) return { status: Number(status), provenance: known['x-source'] };
      }
      throw new Error(`${path} has no code ${code}`);
    },
    /** Whether the successful response of an operation has this field. */
    hasResponseField(path: string, field: string): boolean {
      const schema = getOperation(path).responses[200].content['application/json']?.schema;
      const name = schema?.$ref?.split('/').at(-1);
      return document.components.schemas[name]?.properties[field] !== undefined;
    },
    hasErrorCode: (path: string, code: string) =>
      Object.values<Json>(getOperation(path).responses).some((response) =>
        response['x-error-codes']?.some((one: Json) => one.code === code),
      ),
  };
}

/** Describes an error in a body, with the name of the field and the values that Ajv's message omits. */
function describeSchemaError({ instancePath, keyword, params, message }: ErrorObject): string {
  const subject = `the body${instancePath}`;
  if (keyword === 'additionalProperties')
    return `${subject} must not have the field ${toText(params.additionalProperty)}`;
  if (keyword === 'const') return `${subject} must be ${toText(params.allowedValue)}`;
  if (keyword === 'enum') return `${subject} must be ${params.allowedValues.map(toText).join(' or ')}`;
  return `${subject} ${message}`;
}

const toText = (value: unknown) => excerpt(JSON.stringify(value));

export const getBodySchema = (operation: Json): Json => operation.requestBody.content['application/json'].schema;
export const getProperties = (operation: Json): Record<string, Json> => getBodySchema(operation).properties;
