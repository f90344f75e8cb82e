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
    const told = `${method} ${path} answered ${status}: ${payload.slice(0, 500)}`;
    const at = ['paths', found.path, method.toLowerCase()];
    const assertValid = (value: Json, ...place: (string | number)[]) => {
      const validate = validatorAt(pointerOf(place));
      expect(validate(value), `${ajv.errorsText(validate.errors)}; ${told}`).toBe(true);
    };
    // What was accepted should be something that the document allows.
    if (status < 300) {
      const { requestBody, parameters = [] } = operation;
      if (requestBody && (sent !== '' || requestBody.required)) {
        assertValid(
          JSON.parse(sent.replace(/^\uFEFF/, '')),
          ...at,
          'requestBody',
          'content',
          'application/json',
          'schema',
        );
      }
      const query = new URLSearchParams(path.split('?')[1]);
      for (const [place, { name, in: where, required, schema }] of parameters.entries()) {
        if (where !== 'query') continue;
        const given = query.get(name);
        query.delete(name);
        if (given === null) expect(required, `${name} is required; ${told}`).toBe(false);
        else {
          const value = schema.type === 'integer' ? Number(given) : given;
          assertValid(value, ...at, 'parameters', place, 'schema');
        }
      }
      expect([...query.keys()], `the contract has no such parameters; ${told}`).toEqual([]);
    }
    const own = operation.responses[status];
    expect(own, `the contract has no such status; ${told}`).toBeDefined();
    // Answers that many operations have in common.
    const [, shared] = /^#\/components\/responses\/(\w+)$/.exec(own.$ref ?? '') ?? [];
    const answer = shared === undefined ? own : document.components.responses[shared];
    const answerAt =
      shared === undefined ? [...at, 'responses', status] : ['components', 'responses', shared];
    const [type = ''] = contentType.split(';');
    if (!answer.content) {
      expect(payload, `the contract has no body; ${told}`).toBe('');
      return;
    }
    expect(answer.content[type], `the contract has no such content type ${type}; ${told}`).toBeDefined();
    const value = type === 'application/json' ? JSON.parse(payload) : payload;
    assertValid(value, ...answerAt, 'content', type, 'schema');
  };
}

/** A JSON pointer as a fragment (RFC 6901). */
const pointerOf = (parts: (string | number)[]) =>
  parts
    .map((part) => `/${encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    .join('');
