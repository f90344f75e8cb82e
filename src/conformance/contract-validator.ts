import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Price, Provenance } from '../http/pipeline/route-docs.ts';
import type { Json } from '../openapi/json-schema.ts';
import { excerpt, Mismatch } from './case-errors.ts';

export interface ResponseToValidate {
  status: number;
  headers: Headers;
  text: string;
}

export type ContractValidator = ReturnType<typeof createContractValidator>;

/** What a document of the contract says of answers and prices. */
export function createContractValidator(document: Json) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema({ $id: 'contract', ...document });
  const validators = new Map<string, ValidateFunction>();
  const getOperation = (path: string) => document.paths[path]?.post;

  function getValidator(...parts: (string | number)[]): ValidateFunction {
    const pointer = parts
      .map((part) => `/${encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))}`)
      .join('');
    const known = validators.get(pointer) ?? ajv.compile({ $ref: `contract#${pointer}` });
    validators.set(pointer, known);
    return known;
  }

  /** What is wrong with an answer by the document; undefined: nothing, or the document says nothing of it. */
  function findMismatch(method: string, path: string, response: ResponseToValidate): string | undefined {
    const operation = method === 'POST' ? getOperation(path) : undefined;
    if (!operation) return undefined;
    const documented = operation.responses[response.status];
    if (!documented) return `one of the statuses ${Object.keys(operation.responses).join(', ')}`;
    const type = (response.headers.get('content-type') ?? '').split(';', 1)[0]!;
    if (!documented.content[type]) return `the content type ${Object.keys(documented.content).join(' or ')}`;
    let value: Json = response.text;
    try {
      if (type === 'application/json') value = JSON.parse(response.text);
    } catch {
      return 'JSON';
    }
    const validate = getValidator('paths', path, 'post', 'responses', response.status, 'content', type, 'schema');
    if (validate(value)) return undefined;
    return `a body in which ${ajv.errorsText(validate.errors, { dataVar: 'the body' })}`;
  }

  return {
    document,
    operationOf: getOperation,
    /** @throws Differs where the document does not have such an answer */
    assert(method: string, path: string, response: ResponseToValidate): void {
      const mismatch = findMismatch(method, path, response);
      if (mismatch === undefined) return;
      const type = response.headers.get('content-type') ?? 'no content type';
      throw new Mismatch(mismatch, `${response.status}, ${type}: ${excerpt(response.text)}`);
    },
    /** What a request costs if it is accepted; the dearest where that cannot be told. */
    estimatePrice(path: string, body: Json): number {
      const prices = getOperation(path)?.['x-prices'];
      if (!prices) return 0;
      const properties = getProperties(getOperation(path));
      const fieldValue = (field: string) => body?.[field] ?? properties[field]?.default;
      const found = (prices.list as Price[]).find(({ when }) =>
        Object.entries(when).every(([field, value]) => fieldValue(field) === value),
      );
      const credits = found?.credits ?? Math.max(...prices.list.map((price: Price) => price.credits));
      return prices.per === 'shot' ? credits * Math.max(1, body?.shots?.length ?? 1) : credits;
    },
    /** Whether the vendor, or a client, says what it costs. */
    isPriceKnown: (path: string) => getOperation(path)?.['x-prices']?.['x-source'] !== 'assumed',
    /** The status and the provenance of a code of an operation. @throws Error for one that it does not have */
    getErrorCode(path: string, code: string): { status: number; provenance: Provenance } {
      for (const [status, response] of Object.entries<Json>(getOperation(path).responses)) {
        const known = response['x-error-codes']?.find((one: Json) => one.code === code);
        if (known) return { status: Number(status), provenance: known['x-source'] };
      }
      throw new Error(`${path} has no code ${code}`);
    },
    /** Whether the document has this field in what is accepted. */
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

export const getBodySchema = (operation: Json): Json => operation.requestBody.content['application/json'].schema;
export const getProperties = (operation: Json): Record<string, Json> => getBodySchema(operation).properties;
