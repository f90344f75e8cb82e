import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

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

/** What is wrong with an answer; undefined: nothing, or the document does not know the request. */
export type AnswerCheck = (exchange: Exchange) => string | undefined;

/** Finds answers that a document of the contract does not have: an unknown status, a field too many, one too few. */
export function createContractCheck(document: Json): AnswerCheck {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema({ $id: 'contract', ...document });
  const validators = new Map<string, ValidateFunction>();
  const patterns = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+').replaceAll('.', '\\.')}$`),
  }));

  function problemOf(value: Json, ...place: (string | number)[]): string | undefined {
    const pointer = pointerOf(place);
    const validate = validators.get(pointer) ?? ajv.compile({ $ref: `contract#${pointer}` });
    validators.set(pointer, validate);
    return validate(value) ? undefined : ajv.errorsText(validate.errors);
  }

  /** What was accepted should be something that the document allows. */
  function problemOfRequest({ path, sent }: Exchange, operation: Json, at: string[]): string | undefined {
    const { requestBody, parameters = [] } = operation;
    if (requestBody && (sent !== '' || requestBody.required)) {
      const body = JSON.parse(sent.replace(/^\uFEFF/, ''));
      const problem = problemOf(body, ...at, 'requestBody', 'content', 'application/json', 'schema');
      if (problem) return `it was accepted: ${problem}`;
    }
    const query = new URLSearchParams(path.split('?')[1]);
    for (const [place, { name, in: where, required, schema }] of parameters.entries()) {
      if (where !== 'query') continue;
      const given = query.get(name);
      query.delete(name);
      if (given === null && required) return `it was accepted: ${name} is required`;
      if (given === null) continue;
      const value = schema.type === 'integer' ? Number(given) : given;
      const problem = problemOf(value, ...at, 'parameters', place, 'schema');
      if (problem) return `it was accepted: ${name}: ${problem}`;
    }
    const unknown = [...query.keys()];
    return unknown.length > 0 ? `it was accepted: the contract has no parameters ${unknown}` : undefined;
  }

  function problemOfAnswer(
    { status, contentType, payload }: Exchange,
    operation: Json,
    at: string[],
  ): string | undefined {
    const own = operation.responses[status];
    if (own === undefined) return 'the contract has no such status';
    // Answers that many operations have in common.
    const [, shared] = /^#\/components\/responses\/(\w+)$/.exec(own.$ref ?? '') ?? [];
    const answer = shared === undefined ? own : document.components.responses[shared];
    const answerAt =
      shared === undefined ? [...at, 'responses', status] : ['components', 'responses', shared];
    const [type = ''] = contentType.split(';');
    if (!answer.content) return payload === '' ? undefined : 'the contract has no body';
    if (answer.content[type] === undefined) return `the contract has no such content type ${type}`;
    const value = type === 'application/json' ? JSON.parse(payload) : payload;
    return problemOf(value, ...answerAt, 'content', type, 'schema');
  }

  return function check(exchange) {
    const { method, path, status, payload } = exchange;
    const [plain = ''] = path.split(/[?#]/);
    const found =
      patterns.find((one) => one.path === plain) ?? patterns.find(({ pattern }) => pattern.test(plain));
    const operation = found && document.paths[found.path][method.toLowerCase()];
    if (!found || !operation) return undefined;
    const at = ['paths', found.path, method.toLowerCase()];
    const problem =
      (status < 300 ? problemOfRequest(exchange, operation, at) : undefined) ??
      problemOfAnswer(exchange, operation, at);
    return problem && `${problem}; ${method} ${path} answered ${status}: ${payload.slice(0, 500)}`;
  };
}

/** A JSON pointer as a fragment (RFC 6901). */
const pointerOf = (parts: (string | number)[]) =>
  parts
    .map((part) => `/${encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    .join('');
