import type { ErrorFacts } from '../../core/errors.ts';
import type { InjectedError } from '../faults/pending-faults.ts';
import type { Provenance } from './route-docs.ts';

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

export type CommonCode = keyof typeof COMMON_ERRORS;

/** Every code that some route documents, as it is told there first. Filled while the families are registered. */
const documentedErrors = new Map<string, ErrorSpec>();

export function registerErrorCodes(errors: ErrorTable = {}): void {
  for (const [code, spec] of Object.entries(errors)) {
    if (spec.errorCode === undefined && !documentedErrors.has(code)) documentedErrors.set(code, spec);
  }
}
registerErrorCodes(COMMON_ERRORS);

export const isDocumentedErrorCode = (code: string): boolean => documentedErrors.has(code);

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
