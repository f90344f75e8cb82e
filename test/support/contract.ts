import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { expect } from 'vitest';

// biome-ignore lint/suspicious/noExplicitAny: documents and answers of every shape
type Json = any;

export interface Exchange {
  method: string;
  path: string;
  /** The body of the request. */
  sent: string;
  status: number;
  contentType: string;
  payload: string;
}

/** Refuses answers that a document of the contract does not have: an unknown status, a field too many, one too few. */
export function createAnswerCheck(document: Json) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema({ $id: 'contract', ...document });
  const validators = new Map<string, ValidateFunction>();
  const patterns = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+').replaceAll('.', '\\.')}$`),
  }));

  function validatorAt(pointer: string): ValidateFunction {
    const known = validators.get(pointer) ?? ajv.compile({ $ref: `contract#${pointer}` });
    validators.set(pointer, known);
    return known;
  }

  return function check({ method, path, sent, status, contentType, payload }: Exchange): void {
    const [plain = ''] = path.split(/[?#]/);
    const found =
      patterns.find((one) => one.path === plain) ?? patterns.find(({ pattern }) => pattern.test(plain));
    const operation = found && document.paths[found.path][method.toLowerCase()];
    if (!found || !operation) return;
    const told = `${method} ${plain} answered ${status}: ${payload.slice(0, 500)}`;
    const answer = operation.responses[status];
    expect(answer, `the contract has no such status; ${told}`).toBeDefined();
    const [type = ''] = contentType.split(';');
    const content = answer.content?.[type];
    if (!answer.content && payload === '') return;
    expect(content, `the contract has no such content type ${type}; ${told}`).toBeDefined();
    const at = ['paths', found.path, method.toLowerCase()];
    const assertValid = (value: Json, ...below: (string | number)[]) => {
      const validate = validatorAt(pointerOf([...at, ...below, 'content', type, 'schema']));
      expect(validate(value), `${ajv.errorsText(validate.errors)}; ${told}`).toBe(true);
    };
    const isJson = type === 'application/json';
    assertValid(isJson ? JSON.parse(payload) : payload, 'responses', status);
    // What was accepted should be something that the document allows.
    if (isJson && status === 200 && operation.requestBody) assertValid(JSON.parse(sent), 'requestBody');
  };
}

/** A JSON pointer as a fragment (RFC 6901). */
const pointerOf = (parts: (string | number)[]) =>
  parts
    .map((part) => `/${encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    .join('');
