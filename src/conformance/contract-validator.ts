import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Price, Source } from '../http/pipeline/route-docs.ts';
import type { Json } from '../openapi/json-schema.ts';
import { Differs, shown } from './case-errors.ts';

export interface AnswerToJudge {
  status: number;
  headers: Headers;
  text: string;
}

export type Conformity = ReturnType<typeof createConformity>;

/** What a document of the contract says of answers and prices. */
export function createConformity(document: Json) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema({ $id: 'contract', ...document });
  const validators = new Map<string, ValidateFunction>();
  const operationOf = (path: string) => document.paths[path]?.post;

  function validatorAt(...parts: (string | number)[]): ValidateFunction {
    const pointer = parts
      .map((part) => `/${encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))}`)
      .join('');
    const known = validators.get(pointer) ?? ajv.compile({ $ref: `contract#${pointer}` });
    validators.set(pointer, known);
    return known;
  }

  /** What is wrong with an answer by the document; undefined: nothing, or the document says nothing of it. */
  function problemOf(method: string, path: string, answer: AnswerToJudge): string | undefined {
    const operation = method === 'POST' ? operationOf(path) : undefined;
    if (!operation) return undefined;
    const documented = operation.responses[answer.status];
    if (!documented) return `one of the statuses ${Object.keys(operation.responses).join(', ')}`;
    const type = (answer.headers.get('content-type') ?? '').split(';', 1)[0]!;
    if (!documented.content[type]) return `the content type ${Object.keys(documented.content).join(' or ')}`;
    let value: Json = answer.text;
    try {
      if (type === 'application/json') value = JSON.parse(answer.text);
    } catch {
      return 'JSON';
    }
    const validate = validatorAt(
      'paths',
      path,
      'post',
      'responses',
      answer.status,
      'content',
      type,
      'schema',
    );
    if (validate(value)) return undefined;
    return `a body in which ${ajv.errorsText(validate.errors, { dataVar: 'the body' })}`;
  }

  return {
    document,
    operationOf,
    /** @throws Differs where the document does not have such an answer */
    assert(method: string, path: string, answer: AnswerToJudge): void {
      const problem = problemOf(method, path, answer);
      if (problem === undefined) return;
      const type = answer.headers.get('content-type') ?? 'no content type';
      throw new Differs(problem, `${answer.status}, ${type}: ${shown(answer.text)}`);
    },
    /** What a request costs if it is accepted; the dearest where that cannot be told. */
    priceOf(path: string, body: Json): number {
      const prices = operationOf(path)?.['x-prices'];
      if (!prices) return 0;
      const properties = propertiesOf(operationOf(path));
      const said = (field: string) => body?.[field] ?? properties[field]?.default;
      const found = (prices.list as Price[]).find(({ when }) =>
        Object.entries(when).every(([field, value]) => said(field) === value),
      );
      const credits = found?.credits ?? Math.max(...prices.list.map((price: Price) => price.credits));
      return prices.per === 'shot' ? credits * Math.max(1, body?.shots?.length ?? 1) : credits;
    },
    /** Whether the vendor, or a client, says what it costs. */
    isPriceKnown: (path: string) => operationOf(path)?.['x-prices']?.['x-source'] !== 'X',
    /** The status and the mark of a code of an operation. @throws Error for one that it does not have */
    codeOf(path: string, code: string): { status: number; mark: Source } {
      for (const [status, response] of Object.entries<Json>(operationOf(path).responses)) {
        const known = response['x-error-codes']?.find((one: Json) => one.code === code);
        if (known) return { status: Number(status), mark: known['x-source'] };
      }
      throw new Error(`${path} has no code ${code}`);
    },
    /** Whether the document has this field in what is accepted. */
    tells(path: string, field: string): boolean {
      const schema = operationOf(path).responses[200].content['application/json']?.schema;
      const name = schema?.$ref?.split('/').at(-1);
      return document.components.schemas[name]?.properties[field] !== undefined;
    },
    hasCode: (path: string, code: string) =>
      Object.values<Json>(operationOf(path).responses).some((response) =>
        response['x-error-codes']?.some((one: Json) => one.code === code),
      ),
  };
}

export const bodySchemaOf = (operation: Json): Json =>
  operation.requestBody.content['application/json'].schema;
export const propertiesOf = (operation: Json): Record<string, Json> => bodySchemaOf(operation).properties;
