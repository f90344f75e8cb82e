import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import { isOutOfDescriptors } from '../../core/file-descriptors.ts';
import type { App } from '../context.ts';
import { removeHeaders, sendCannedResponse } from '../faults/canned-response.ts';
import { dropResponse } from '../faults/effects.ts';
import { renderInjectedError } from '../faults/injected-error.ts';
import { InjectedError, InjectedResponse, LostResponse } from '../faults/pending-faults.ts';
import { type CommonCode, type ErrorTable, renderError } from './error-table.ts';
import { toLoggedRequestId } from './request-log.ts';
import { InvalidBody } from './validation.ts';

/** Codes of the common error table for errors that Fastify throws. */
const FASTIFY_CODES: Record<string, CommonCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'MALFORMED_REQUEST',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_BAD_URL: 'NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
};

/** The error handler of the API: sends errors in the vendor's format, unless a fault replaces or drops the response. */
export function sendError(
  error: FastifyError | EmulatorError | InvalidBody | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  documentedErrors?: ErrorTable,
): void {
  request.state.isErrorHandled = true;
  if (error instanceof InjectedResponse) {
    sendCannedResponse(error.cannedResponse, request, reply);
    return;
  }
  if (dropIfLost(error, request, reply)) return;
  const errors = request.routeOptions?.config?.errors;
  const rendered =
    error instanceof InvalidBody
      ? renderInvalidBody(error, errors)
      : error instanceof InjectedError
        ? renderInjectedError(error, reply, errors, documentedErrors)
        : error instanceof EmulatorError
          ? renderError(error.code, errors, error.facts)
          : renderError(findCommonCode(error), errors);
  if (rendered.status >= 500 && !isExpected(error)) {
    request.log.error({ err: error, requestId: toLoggedRequestId(request) }, 'request failed');
  }
  request.state.errorCode = rendered.errorCode;
  request.state.logReason = error.message;
  // Fastify closes the connection after each error of a body parser, although the whole body may have arrived.
  const isBodyNotJson = error instanceof EmulatorError && error.code === 'BODY_NOT_JSON';
  if (isBodyNotJson && request.raw.complete) reply.removeHeader('connection');
  void reply.code(rendered.status).type('application/json; charset=utf-8').send(rendered.body);
}

/** Drops the response if the error says so. Returns whether it did. */
function dropIfLost(error: Error, request: FastifyRequest, reply: FastifyReply): boolean {
  // If the account was reset or removed during the request, no response would be correct; a 401 would blame the key.
  const isLost =
    error instanceof LostResponse || (error instanceof EmulatorError && error.code === 'ACCOUNT_NOT_FOUND');
  if (isLost) dropResponse(request, reply, error instanceof LostResponse && error.reset);
  return isLost;
}

type SendHook = (
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: Error | null, payload?: unknown) => void,
) => void;

/** Registers an `onSend` hook whose errors are handled by `failSending`. */
export function addSendHook(app: App, hook: SendHook): void {
  app.addHook<unknown>('onSend', (request, reply, payload, done) => {
    let isDone = false;
    const next = (error: Error | null, newPayload?: unknown) => {
      if (isDone) {
        // A later hook or the sending has failed: a part of the response may have been sent.
        request.log.error({ err: error, requestId: toLoggedRequestId(request) }, 'response failed');
        request.raw.socket.destroy();
        return;
      }
      isDone = true;
      if (error) failSending(error, request, reply, done);
      else done(null, newPayload);
    };
    try {
      hook(request, reply, payload, next);
    } catch (error) {
      next(error as Error);
    }
  });
}

/**
 * Handles an error in an `onSend` hook. The first error of a request goes to its error handler. Fastify runs none for a
 * second error and would send a body in its own format: the client gets a 500 with `body` instead.
 */
export function failSending(
  error: Error,
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error: Error | null, payload?: string) => void,
  body: object = renderError('INTERNAL_ERROR').body,
): void {
  if (!request.state.isErrorHandled) {
    done(error);
    return;
  }
  if (dropIfLost(error, request, reply)) return;
  request.log.error({ err: error, requestId: toLoggedRequestId(request) }, 'request failed');
  request.state.errorCode = 'INTERNAL_ERROR';
  removeHeaders(reply);
  reply.code(500).type('application/json; charset=utf-8');
  done(null, JSON.stringify(body));
}

function findCommonCode(error: FastifyError | Error): CommonCode {
  if (isOutOfDescriptors(error)) return 'TOO_MANY_OPEN_FILES';
  return FASTIFY_CODES[(error as FastifyError).code] ?? 'INTERNAL_ERROR';
}

/** Whether an error with a 5xx status is injected or due to a limit, so that the log needs no stack. */
const isExpected = (error: Error) =>
  error instanceof InjectedError ||
  (error instanceof EmulatorError && EXPECTED_5XX.has(error.code)) ||
  isOutOfDescriptors(error);

const EXPECTED_5XX = new Set([
  ...['STOPPING', 'SERVICE_UNAVAILABLE', 'OUT_OF_MEMORY', 'TOO_MANY_STREAMS', 'TOO_MANY_ACCOUNTS'],
]);

function renderInvalidBody(error: InvalidBody, errors: ErrorTable = {}) {
  const { code, detail } = error.findPrimaryIssue(Object.keys(errors));
  return renderError(code, errors, {}, code === 'INVALID_INPUT' ? detail : undefined);
}
