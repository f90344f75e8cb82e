import { createContractCheck, type ResponseCheck } from '../../support/contract-check.ts';
import type { RawResponse } from '../../support/response-reader.ts';
import { type Breaker, type FuzzCase, getRisks, type Message } from './case.ts';
import type { Fixture, Json } from './fixture.ts';
import type { DeliveryOutcome } from './send.ts';

/** Internals of the program, which no response may reveal. */
const INTERNALS =
  /\n\s+at .+[:(]|node_modules|\bFST_[A-Z]|\b(?:Type|Reference|Syntax|Range|Sqlite)Error\b|\/(?:src|dist)\/[\w/-]+\.[jt]s\b/;
const HTML_PAGE = /<!doctype|<html/i;

/** Response types other than JSON, with the paths that may have them. */
const NON_JSON_TYPES: Record<string, RegExp> = {
  'text/html': /^\/(docs|console)/,
  'text/javascript': /^\/(docs|console)/,
  'application/javascript': /^\/docs/,
  'text/css': /^\/(docs|console)/,
  'font/woff2': /^\/docs/,
  'image/svg+xml': /^\/(docs|console)/,
  'text/event-stream': /^\/__admin\/events/,
  'text/markdown': /^\/__admin\/accounts\/[^/]*\/summary/,
  'text/plain': /^\/(metrics|api\/sora-2\/(generate|reverse)-prompt|docs)/,
  'application/x-pem-file': /^\/ca\.pem/,
  'video/mp4': /^\/(media\/|\w)/,
  'image/jpeg': /^\/(media\/|\w)/,
  'multipart/byteranges': /^\/media\//,
};

/** All responses to the messages come first, then the refusal. */
function findRefusalViolation({ name, statuses }: Breaker, messageCount: number, outcome: DeliveryOutcome) {
  const { responses, end } = outcome;
  const list = responses.map(({ status }) => status).join(', ');
  if (responses.length <= messageCount)
    return `${messageCount} requests, then ${name}: only ${responses.length} responses (${list}), then ${end}`;
  const { status } = responses[messageCount]!;
  return statuses.includes(status) ? undefined : `${name} after ${messageCount} requests was refused with ${status}`;
}

/**
 * Describes how a response differs from the one that the same request gets on a connection of its own. The origin of
 * URLs may differ, because it depends on the connection.
 */
export function findMismatch(message: Message, response: RawResponse, expected: RawResponse): string | undefined {
  const normalize = ({ status, headers, body }: RawResponse) => {
    const type = headers['content-type'] ?? '';
    const content = type.startsWith('application/json')
      ? body.toString().replaceAll(/https?:\/\/[^/"]+/g, '')
      : body.toString('latin1');
    return `${status} ${type} ${content}`;
  };
  const [found, wanted] = [normalize(response), normalize(expected)];
  if (found === wanted) return undefined;
  const { method, path, body } = message;
  return (
    `the response does not belong to its request; ${method} ${path} ${body.slice(0, 200)} got ` +
    `${found.slice(0, 500)}; alone, it gets ${wanted.slice(0, 500)}`
  );
}

const isVendorError = (body: Record<string, unknown>) =>
  typeof body.error === 'string' &&
  typeof body.errorCode === 'string' &&
  Object.keys(body).every((name) => ['success', 'error', 'errorCode', 'requiredCredits'].includes(name));
const isControlError = (body: Record<string, unknown>) =>
  typeof body.error === 'string' && typeof body.code === 'string' && Object.keys(body).length === 2;

/** By document: compiling the schemas takes longer than checking a thousand responses. */
const checksByDocument = new WeakMap<Json, ResponseCheck>();

function getContractCheck(document: Json): ResponseCheck {
  const check = checksByDocument.get(document) ?? createContractCheck(document);
  checksByDocument.set(document, check);
  return check;
}

export type Oracle = ReturnType<typeof createOracle>;

/**
 * Returns a function that describes what is wrong with the responses to a case, or undefined if nothing is.
 * `hasGlobalFaults`: fault rules may apply to any request.
 */
export function createOracle(fixture: Fixture, hasGlobalFaults: boolean) {
  const checks: ResponseCheck[] = [fixture.vendor, fixture.control].map(getContractCheck);

  /** Checks that hold for a response to any request. `path` undefined: the request may have been read differently. */
  function findFormViolation({ status, headers, body }: RawResponse, path: string | undefined): string | undefined {
    const [type = ''] = (headers['content-type'] ?? '').split(';');
    const isPlain = type === '' || type === 'application/json' || type.startsWith('text/');
    const text = isPlain ? body.toString() : '';
    if (INTERNALS.test(text) && type !== 'text/html' && !type.includes('javascript'))
      return 'the response reveals internals';
    if (HTML_PAGE.test(text) && type === 'application/json') return 'the response contains an HTML page';
    if (status === 503 && type === 'application/json' && headers['retry-after']) {
      return path === undefined || path.includes('/media/') ? undefined : 'unexpected 503 with Retry-After';
    }
    if (status >= 500) return 'unexpected 5xx';
    if (body.length === 0) {
      if (type === '' || status === 204 || status === 304) return undefined;
      return path === undefined ? undefined : 'the response is empty';
    }
    if (type === 'application/json') return findJsonViolation(status, text, path);
    if (path === undefined) return type in NON_JSON_TYPES ? undefined : `unknown content type ${type}`;
    return NON_JSON_TYPES[type]?.test(path) ? undefined : `wrong content type ${type} for ${path}`;
  }

  function findJsonViolation(status: number, text: string, path: string | undefined): string | undefined {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      return 'the response is not JSON';
    }
    if (status < 400) return undefined;
    if (typeof body !== 'object' || body === null) return 'the error response is not an object';
    const [vendor, control] = [isVendorError, isControlError].map((isError) =>
      isError(body as Record<string, unknown>),
    );
    if (!vendor && !control) return 'the error response has neither of the two error formats';
    if (path === undefined) return undefined;
    return path.startsWith('/__admin') === control ? undefined : "the error response has the other API's format";
  }

  function findMessageViolation(message: Message, response: RawResponse): string | undefined {
    const { method, path, body, isLoose } = message;
    const excerpt = response.body.toString().slice(0, 500);
    const summary = `${method} ${path.slice(0, 200)} returned ${response.status}: ${excerpt}`;
    if (method === 'HEAD') return response.status >= 500 ? `unexpected 5xx; ${summary}` : undefined;
    const violation = findFormViolation(response, isLoose ? undefined : path);
    if (violation) return `${violation}; ${summary}`;
    if (isLoose) return undefined;
    for (const check of checks) {
      const found = check({
        ...{ method, path, requestText: body, status: response.status },
        contentType: response.headers['content-type'] ?? '',
        payload: response.body.toString(),
      });
      if (found) return found;
    }
    return undefined;
  }

  return function findViolation(testCase: FuzzCase, outcome: DeliveryOutcome): string | undefined {
    const { mayMeetFault, mayBeAborted, isLongLived } = getRisks(testCase);
    if (hasGlobalFaults || mayMeetFault) return undefined;
    const { responses, protocolError, end } = outcome;
    const mayLoseResponses = outcome.hasClientLeft || mayBeAborted || isLongLived;
    if (protocolError && !mayLoseResponses) return `${protocolError}; after ${responses.length} responses`;
    if (testCase.expectedResponses !== undefined && responses.length > testCase.expectedResponses)
      return `${responses.length} responses to ${testCase.expectedResponses} requests`;
    if (testCase.breaker && !mayLoseResponses) {
      const problem = findRefusalViolation(testCase.breaker, testCase.messages.length, outcome);
      if (problem) return problem;
    }
    for (const [index, response] of responses.entries()) {
      // Other requests change the failure rates of the same accounts.
      if (mayBeAborted && response.status === 500 && response.body.includes('"GENERATION_FAILED"')) continue;
      const message = testCase.messages[index];
      const violation = message
        ? findMessageViolation(message, response)
        : findFormViolation(response, undefined) &&
          `${findFormViolation(response, undefined)}: ${response.status} ${response.body.toString().slice(0, 500)}`;
      if (violation) return violation;
    }
    if (end === 'silent') return `no response, and the connection stayed open, after ${responses.length} responses`;
    const last = responses.at(-1);
    const isIncomplete = testCase.expectedResponses !== undefined && responses.length < testCase.expectedResponses;
    if (isIncomplete && !mayLoseResponses && last?.headers.connection !== 'close') {
      return `${responses.length} responses to ${testCase.expectedResponses} requests, and the connection was ${end}`;
    }
    return undefined;
  };
}
