import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import { InjectedError } from '../faults/pending-faults.ts';
import { type CommonCode, type ErrorTable, renderError, renderInjectedError } from './error-table.ts';
import { InvalidBody } from './validation.ts';

/** What Fastify itself may find wrong with a request, in our codes. */
const FASTIFY_CODES: Record<string, CommonCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'MALFORMED_REQUEST',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_BAD_URL: 'NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
};

/** Whatever was thrown on the way of a request, in the vendor's shape. */
export function sendError(
  error: FastifyError | EmulatorError | InvalidBody | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  documentedErrors?: ErrorTable,
): void {
  if (error instanceof EmulatorError && error.code === 'ACCOUNT_NOT_FOUND') {
    // Reset or removed while the request was under way: no answer is true any more, and 401 would blame the key.
    reply.hijack();
    request.raw.socket.destroySoon();
    return;
  }
  const errors = request.routeOptions?.config?.errors;
  const rendered =
    error instanceof InvalidBody
      ? renderInvalidBody(error, errors)
      : error instanceof InjectedError
        ? renderInjectedError(error, errors, documentedErrors)
        : error instanceof EmulatorError
          ? renderError(error.code, errors, error.facts)
          : renderError(FASTIFY_CODES[(error as FastifyError).code] ?? 'INTERNAL_ERROR', errors);
  if (rendered.status >= 500 && !isExpected(error)) request.log.error({ err: error }, 'request failed');
  request.state.errorCode = rendered.errorCode;
  request.state.logReason = error.message;
  void reply.code(rendered.status).type('application/json; charset=utf-8').send(rendered.body);
}

/** No reason to look into the log: somebody asked for it, or for more than there is. */
const isExpected = (error: Error) =>
  error instanceof InjectedError || (error instanceof EmulatorError && EXPECTED_5XX.has(error.code));

const EXPECTED_5XX = new Set(['STOPPING', 'SERVICE_UNAVAILABLE', 'TOO_MANY_STREAMS', 'TOO_MANY_ACCOUNTS']);

function renderInvalidBody(error: InvalidBody, errors: ErrorTable = {}) {
  const { code, detail } = error.findPrimaryIssue(Object.keys(errors));
  return renderError(code, errors, {}, code === 'INVALID_INPUT' ? detail : undefined);
}

/** Requests that Node's parser gives up on never become a request: the answer is written to the socket as it is. */
export function sendClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const codes: Record<string, CommonCode> = {
    HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
    ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
  };
  socket.end(rawErrorResponse(codes[error.code ?? ''] ?? 'MALFORMED_REQUEST'));
}

/** A whole answer, for connections on which there is no request to answer. */
export function rawErrorResponse(code: CommonCode): string {
  const { status, body } = renderError(code);
  const text = JSON.stringify(body);
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`
  );
}
