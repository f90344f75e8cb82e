import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError, type ErrorFacts } from '../../core/errors.ts';
import { InjectedError } from '../faults/pending-faults.ts';
import type { Provenance } from './route-docs.ts';
import { InvalidBody } from './validation.ts';

/** How a code is told to the client. `errorCode` stands for the code's own name where the two differ. */
export interface ErrorSpec {
  status: number;
  error: string;
  errorCode?: string;
  /** How well it is known, where that is not said of all codes of its route. */
  provenance?: Provenance;
  /** A whole body of its own, where a vendor page shows one that departs from the envelope. */
  body?: (facts: ErrorFacts) => Record<string, unknown>;
}

/** A route's codes, in the order in which they are tried. */
export type ErrorTable = Readonly<Record<string, ErrorSpec>>;

/** Vendor page "API Overview", common error codes; the wording of LOGIN_REQUIRED and all from NOT_FOUND on are ours. */
export const COMMON_ERRORS = {
  LOGIN_REQUIRED: { status: 401, provenance: 'documented', error: 'Authentication required' },
  API_KEY_RATE_LIMIT_EXCEEDED: {
    status: 429,
    provenance: 'documented',
    error: 'API key rate limit exceeded. Default: 100 requests/hour. Contact support@nanophoto.ai for higher limits.',
  },
  INVALID_INPUT: { status: 400, provenance: 'documented', error: 'Missing required parameters' },
  INSUFFICIENT_CREDITS: {
    status: 402,
    provenance: 'assumed',
    error: 'Insufficient credits',
    body: ({ requiredCredits }) => ({
      success: false,
      error: 'Insufficient credits',
      errorCode: 'INSUFFICIENT_CREDITS',
      requiredCredits,
    }),
  },
  INTERNAL_ERROR: { status: 500, provenance: 'documented', error: 'Internal server error' },
  // What was under way when the server stopped.
  STOPPING: { status: 500, provenance: 'assumed', errorCode: 'INTERNAL_ERROR', error: 'Internal server error' },
  NOT_FOUND: { status: 404, provenance: 'assumed', error: 'Not found' },
  METHOD_NOT_ALLOWED: { status: 405, provenance: 'assumed', error: 'Method not allowed. Use POST.' },
  BODY_NOT_JSON: {
    status: 400,
    provenance: 'assumed',
    errorCode: 'INVALID_INPUT',
    error: 'The request body is not valid JSON',
  },
  BODY_TOO_LARGE: {
    status: 413,
    provenance: 'assumed',
    errorCode: 'INVALID_INPUT',
    error: 'The request body is too large',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    provenance: 'assumed',
    errorCode: 'INVALID_INPUT',
    error: 'Content-Type must be application/json',
  },
  PROXY_REFUSED: {
    status: 403,
    provenance: 'assumed',
    errorCode: 'FORBIDDEN',
    error: 'This proxy leads to nanophoto.ai only',
  },
  AUTHORITY_FAILED: {
    status: 503,
    provenance: 'assumed',
    errorCode: 'SERVICE_UNAVAILABLE',
    error: 'There is no certificate for this tunnel; the log of the emulator says why',
  },
  HOST_REQUIRED: {
    status: 400,
    provenance: 'assumed',
    errorCode: 'INVALID_INPUT',
    error: 'The Host header is missing',
  },
  MALFORMED_REQUEST: {
    status: 400,
    provenance: 'assumed',
    errorCode: 'INVALID_INPUT',
    error: 'The HTTP request is malformed',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    provenance: 'assumed',
    errorCode: 'INVALID_INPUT',
    error: 'The request took too long to arrive',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    provenance: 'assumed',
    errorCode: 'INVALID_INPUT',
    error: 'The request headers are too large',
  },
  TOO_MANY_CONNECTIONS: {
    status: 503,
    provenance: 'assumed',
    errorCode: 'SERVICE_UNAVAILABLE',
    error: 'Too many connections to this emulator (--connection-limit)',
  },
  TOO_MANY_STREAMS: {
    status: 503,
    provenance: 'assumed',
    errorCode: 'SERVICE_UNAVAILABLE',
    error: 'Too many answers of this emulator are under way (--stream-limit)',
  },
  TOO_MANY_ACCOUNTS: {
    status: 503,
    provenance: 'assumed',
    errorCode: 'SERVICE_UNAVAILABLE',
    error: 'Too many accounts of this emulator made themselves and are in use (--auto-account-limit)',
  },
  EXPECTATION_FAILED: {
    status: 417,
    provenance: 'assumed',
    errorCode: 'INVALID_INPUT',
    error: 'The expectation in the Expect header cannot be met',
  },
} satisfies ErrorTable;

/** The 402 of Sora 2 and Veo 3.1: their pages show it without `success`. */
export const BARE_INSUFFICIENT_CREDITS: ErrorSpec = {
  status: 402,
  provenance: 'documented',
  error: 'Insufficient credits',
  body: ({ requiredCredits }) => ({
    error: 'Insufficient credits',
    errorCode: 'INSUFFICIENT_CREDITS',
    requiredCredits,
  }),
};

/** "API calls only accept imageUrls (public URLs). Base64 image upload is not supported via API." */
export const imageUrlsRequired = (expected = 'imageUrls (public URLs)'): ErrorSpec => ({
  status: 400,
  error: `API calls require ${expected}. Base64 image upload is not supported via API.`,
});

type CommonCode = keyof typeof COMMON_ERRORS;

/** Every code that some route documents, as it is told there first. Filled while the families are registered. */
const documentedErrors = new Map<string, ErrorSpec>();

export function registerErrorCodes(errors: ErrorTable = {}): void {
  for (const [code, spec] of Object.entries(errors)) {
    if (spec.errorCode === undefined && !documentedErrors.has(code)) documentedErrors.set(code, spec);
  }
}
registerErrorCodes(COMMON_ERRORS);

export const isDocumentedErrorCode = (code: string): boolean => documentedErrors.has(code);

/** What Fastify itself may find wrong with a request, in our codes. */
const FASTIFY_CODES: Record<string, CommonCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'MALFORMED_REQUEST',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_BAD_URL: 'NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
};

/** The one way from a code to a body. `detail` replaces the general sentence with one about this request. */
export function renderError(
  code: string,
  errors: ErrorTable = {},
  facts: ErrorFacts = {},
  detail?: string,
): { status: number; errorCode: string; body: Record<string, unknown> } {
  const known = errors[code] ?? (COMMON_ERRORS as ErrorTable)[code];
  const spec: ErrorSpec = known ?? COMMON_ERRORS.INTERNAL_ERROR;
  const errorCode = known ? (spec.errorCode ?? code) : 'INTERNAL_ERROR';
  const body = spec.body?.(facts) ?? { success: false, error: detail ?? spec.error, errorCode };
  return { status: spec.status, errorCode, body };
}

/** A code that a fault asks for may be one that the route itself does not know. */
export function renderInjectedError({ code, status, facts }: InjectedError, errors: ErrorTable = {}) {
  const known = code in errors ? errors : Object.fromEntries([...documentedErrors].filter(([name]) => name === code));
  const rendered = renderError(code, known, facts);
  return { ...rendered, status: status ?? rendered.status };
}

/** Whatever was thrown on the way of a request, in the vendor's shape. */
export function sendError(
  error: FastifyError | EmulatorError | InvalidBody | Error,
  request: FastifyRequest,
  reply: FastifyReply,
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
        ? renderInjectedError(error, errors)
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
