import { EmulatorError, type ErrorFacts } from '../../core/errors.ts';
import type { Provenance } from './route-docs.ts';

/** The response to one error code. */
export interface ErrorSpec {
  status: number;
  /** The sentence in the body. */
  error: string;
  /** The code in the body, if it differs from the key of this entry, which is then only an internal name. */
  errorCode?: string;
  /** Provenance of the code, if it differs from that of the route. */
  provenance?: Provenance;
  /** Builds the body, for codes that a vendor page shows without the usual envelope. */
  body?: (facts: ErrorFacts) => Record<string, unknown>;
}

/** The error codes of a route, in the order in which they are checked: of several errors, the first one is reported. */
export type ErrorTable = Readonly<Record<string, ErrorSpec>>;

/** A code of the given table. */
export type ErrorCode<Errors extends ErrorTable> = keyof Errors & string;

/** An error whose key in the table is an internal name; the body has `errorCode`. */
const internal = (status: number, errorCode: string, error: string) =>
  ({ status, provenance: 'assumed', errorCode, error }) as const;

/**
 * The error codes of every route. Source: vendor page "API Overview", common error codes. The wording of LOGIN_REQUIRED
 * is assumed, and so is everything from NOT_FOUND on.
 */
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
  // For requests that are in progress when the server stops.
  STOPPING: internal(500, 'INTERNAL_ERROR', 'Internal server error'),
  NOT_FOUND: { status: 404, provenance: 'assumed', error: 'Not found' },
  MCP_NOT_EMULATED: internal(
    404,
    'NOT_FOUND',
    'The MCP server of NanoPhoto.AI is not emulated. Use the HTTP API: /docs lists its endpoints',
  ),
  METHOD_NOT_ALLOWED: { status: 405, provenance: 'assumed', error: 'Method not allowed. Use POST.' },
  BODY_NOT_JSON: internal(400, 'INVALID_INPUT', 'The request body is not valid JSON'),
  BODY_TOO_LARGE: internal(413, 'INVALID_INPUT', 'The request body is too large'),
  UNSUPPORTED_MEDIA_TYPE: internal(415, 'INVALID_INPUT', 'Content-Type must be application/json'),
  UNSUPPORTED_CONTENT_CODING: internal(415, 'INVALID_INPUT', 'Content-Encoding is not supported: send plain JSON'),
  PROXY_REFUSED: internal(403, 'FORBIDDEN', 'This proxy only connects to nanophoto.ai'),
  READ_ONLY: internal(403, 'FORBIDDEN', 'This emulator is read-only (nanophoto-emulator open): start another one'),
  AUTHORITY_FAILED: internal(
    503,
    'SERVICE_UNAVAILABLE',
    'No certificate could be issued for this tunnel; see the log of the emulator',
  ),
  HOST_REQUIRED: internal(400, 'INVALID_INPUT', 'The Host header is missing'),
  MALFORMED_REQUEST: internal(400, 'INVALID_INPUT', 'The HTTP request is malformed'),
  REQUEST_TIMEOUT: internal(408, 'INVALID_INPUT', 'The request took too long to arrive'),
  HEADERS_TOO_LARGE: internal(431, 'INVALID_INPUT', 'The request headers are too large'),
  TOO_MANY_CONNECTIONS: internal(
    503,
    'SERVICE_UNAVAILABLE',
    'Too many connections to this emulator (--connection-limit)',
  ),
  TOO_MANY_STREAMS: internal(503, 'SERVICE_UNAVAILABLE', 'Too many concurrent streaming responses (--stream-limit)'),
  TOO_MANY_ACCOUNTS: internal(
    503,
    'SERVICE_UNAVAILABLE',
    'Too many auto-created accounts are in use (--auto-account-limit)',
  ),
  OUT_OF_MEMORY: internal(503, 'SERVICE_UNAVAILABLE', 'The memory for data of clients is full (--memory-budget-mb)'),
  TOO_MANY_OPEN_FILES: internal(503, 'SERVICE_UNAVAILABLE', 'This emulator cannot open more files (ulimit -n)'),
  EXPECTATION_FAILED: internal(417, 'INVALID_INPUT', 'The expectation in the Expect header cannot be met'),
} satisfies ErrorTable;

/** The 402 response of Sora 2 and Veo 3.1, whose pages show it without `success`. */
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

/**
 * Creates the error for images that are not public URLs. Vendor pages: "API calls only accept imageUrls (public URLs).
 * Base64 image upload is not supported via API."
 */
export const imageUrlsRequired = (expected = 'imageUrls (public URLs)'): ErrorSpec => ({
  status: 400,
  error: `API calls require ${expected}. Base64 image upload is not supported via API.`,
});

export type CommonCode = keyof typeof COMMON_ERRORS;

/**
 * Creates an error with a code of `errors`, the table of the route that throws it. A code missing from the table does
 * not compile.
 *
 * @param reason Explanation for the log; the client only sees the message that belongs to `code`.
 */
export const createError = <Errors extends ErrorTable>(_errors: Errors, code: ErrorCode<Errors>, reason: string) =>
  new EmulatorError(code, reason);

/**
 * Returns all documented error codes, which faults can inject: the common ones and those of `tables`. If several tables
 * have a code, the first one determines its response.
 */
export function collectDocumentedErrors(tables: readonly ErrorTable[]): ErrorTable {
  const documented: Record<string, ErrorSpec> = {};
  for (const table of [COMMON_ERRORS, ...tables]) {
    for (const [code, spec] of Object.entries<ErrorSpec>(table)) {
      if (spec.errorCode === undefined) documented[code] ??= spec;
    }
  }
  return documented;
}

/**
 * Returns the response to an error code: by `errors`, the table of the route, or else by COMMON_ERRORS. An unknown code
 * becomes INTERNAL_ERROR.
 *
 * @param detail Replaces the general sentence with one about this request.
 */
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
