import type { RawResponse } from '../../support/answer-reader.ts';
import { createContractCheck, type ResponseCheck } from '../../support/contract-check.ts';
import { type FuzzCase, isLongLived, type Message, mayBeAborted, mayMeetFault } from './case.ts';
import type { Fixture } from './fixture.ts';
import type { DeliveryOutcome } from './send.ts';

/** What no answer may ever show: the inside of the program, or a page of the framework. */
const INTERNALS =
  /\n\s+at .+[:(]|node_modules|\bFST_[A-Z]|\b(?:Type|Reference|Syntax|Range|Sqlite)Error\b|\/(?:src|dist)\/[\w/-]+\.[jt]s\b/;
const HTML_PAGE = /<!doctype|<html/i;

/** Texts that are no JSON, by the beginnings of the paths that have them. */
const NON_JSON_TYPES: Record<string, RegExp> = {
  'text/html': /^\/(docs|console)/,
  'text/javascript': /^\/(docs|console)/,
  'application/javascript': /^\/docs/,
  'text/css': /^\/(docs|console)/,
  'font/woff2': /^\/docs/,
  'image/svg+xml': /^\/(docs|console)/,
  'text/event-stream': /^\/__admin\/events/,
  'text/plain': /^\/(metrics|api\/sora-2\/(generate|reverse)-prompt|docs)/,
  'application/x-pem-file': /^\/ca\.pem/,
  'video/mp4': /^\/(media\/|\w)/,
  'image/jpeg': /^\/(media\/|\w)/,
  'multipart/byteranges': /^\/media\//,
};

const isVendorError = (body: Record<string, unknown>) =>
  typeof body.error === 'string' &&
  typeof body.errorCode === 'string' &&
  Object.keys(body).every((name) => ['success', 'error', 'errorCode', 'requiredCredits'].includes(name));
const isControlError = (body: Record<string, unknown>) =>
  typeof body.error === 'string' && typeof body.code === 'string' && Object.keys(body).length === 2;

export type Oracle = ReturnType<typeof createOracle>;

/** Says what is wrong with what came back; undefined: nothing. `isStormy`: rules may strike any request. */
export function createOracle(fixture: Fixture, hasGlobalFaults: boolean) {
  const checks: ResponseCheck[] = [fixture.vendor, fixture.control].map(createContractCheck);

  /** In general: an answer to anything. */
  function findFormViolation({ status, headers, body }: RawResponse, path: string | undefined): string | undefined {
    const [type = ''] = (headers['content-type'] ?? '').split(';');
    const isPlain = type === '' || type === 'application/json' || type.startsWith('text/');
    const text = isPlain ? body.toString() : '';
    if (INTERNALS.test(text) && type !== 'text/html' && !type.includes('javascript'))
      return 'the inside of the program is shown';
    if (HTML_PAGE.test(text) && type === 'application/json') return 'a page is shown';
    if (status === 503 && type === 'application/json' && headers['retry-after']) {
      return path === undefined || path.includes('/media/') ? undefined : 'it was told to come back later';
    }
    if (status >= 500) return 'nobody asked for it';
    if (body.length === 0) {
      if (type === '' || status === 204 || status === 304) return undefined;
      return path === undefined ? undefined : 'the answer is empty';
    }
    if (type === 'application/json') return findJsonViolation(status, text, path);
    if (path === undefined) return type in NON_JSON_TYPES ? undefined : `the type ${type} is none of ours`;
    return NON_JSON_TYPES[type]?.test(path) ? undefined : `the type ${type} is not that of ${path}`;
  }

  function findJsonViolation(status: number, text: string, path: string | undefined): string | undefined {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      return 'the answer is no JSON';
    }
    if (status < 400) return undefined;
    if (typeof body !== 'object' || body === null) return 'the refusal is no object';
    const [vendor, control] = [isVendorError, isControlError].map((isError) =>
      isError(body as Record<string, unknown>),
    );
    if (!vendor && !control) return 'the refusal has not the form of one';
    if (path === undefined) return undefined;
    return path.startsWith('/__admin') === control ? undefined : 'the refusal has the form of the other side';
  }

  function findMessageViolation(message: Message, response: RawResponse): string | undefined {
    const { method, path, body, isLoose } = message;
    const summary = `${method} ${path.slice(0, 200)} answered ${response.status}: ${response.body.toString().slice(0, 500)}`;
    if (method === 'HEAD') return response.status >= 500 ? `nobody asked for it; ${summary}` : undefined;
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
    if (hasGlobalFaults || mayMeetFault(testCase)) return undefined;
    const { responses, protocolError, end } = outcome;
    const mayLoseResponses = outcome.hasClientLeft || mayBeAborted(testCase) || isLongLived(testCase);
    if (protocolError && !mayLoseResponses) return `${protocolError}; after ${responses.length} answers`;
    if (testCase.expectedResponses !== undefined && responses.length > testCase.expectedResponses)
      return `${responses.length} answers came for ${testCase.expectedResponses} requests`;
    for (const [index, response] of responses.entries()) {
      const message = testCase.messages[index];
      const violation = message
        ? findMessageViolation(message, response)
        : findFormViolation(response, undefined) &&
          `${findFormViolation(response, undefined)}: ${response.status} ${response.body.toString().slice(0, 500)}`;
      if (violation) return violation;
    }
    if (end === 'silent') return `no answer came, and the connection stayed open, after ${responses.length} answers`;
    const last = responses.at(-1);
    const isIncomplete = testCase.expectedResponses !== undefined && responses.length < testCase.expectedResponses;
    if (isIncomplete && !mayLoseResponses && last?.headers.connection !== 'close') {
      return `${responses.length} answers came for ${testCase.expectedResponses} requests, and the connection was ${end}`;
    }
    return undefined;
  };
}
