import { signal } from '@preact/signals';
import { isDotSegment } from '../route.ts';

/** The emulator's base URL, also below a path prefix: `/console` or, behind a balancer, `/nodes/2/console`. */
const BASE = new URL('.', document.baseURI);
export const ORIGIN: string = BASE.href.replace(/\/$/, '');

/** The control plane requires this header for writes from a browser; forms and foreign pages cannot send it. */
const CONSOLE_HEADER = { 'x-emulator-console': '1' };
const TOKEN_STORAGE_KEY = 'nanophoto-emulator admin token';

/** The admin token, stored for this tab until it is closed. */
const token = signal(sessionStorage.getItem(TOKEN_STORAGE_KEY) ?? '');
/** Whether the control plane requires an admin token, and the current one is missing or wrong. */
export const isTokenRequired = signal(false);

/**
 * Tries an admin token with a request for `path`, and stores it unless it is rejected. The path should belong to the
 * current view: behind a balancer, not every path has a node.
 *
 * @throws ApiError when the token is wrong or the emulator does not respond
 */
export async function tryToken(text: string, path: string): Promise<void> {
  token.value = text;
  await sendRequest('GET', path).catch((error: ApiError) => {
    if (error.code === 'ADMIN_TOKEN_REQUIRED') throw new ApiError(error.code, 'Wrong admin token.');
    // Any other response shows that the token was accepted.
    if (error.code === 'UNREACHABLE') throw error;
  });
  sessionStorage.setItem(TOKEN_STORAGE_KEY, text);
  isTokenRequired.value = false;
}

/** An error response of the control plane, or no response. */
export class ApiError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Longer than any request takes, even to render an image on a busy machine. */
const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Sends a request to the emulator.
 *
 * @throws ApiError with the code of an error response, UNREACHABLE without a response, or ABORTED when `signal` aborts
 */
export async function sendRequest(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Response> {
  const response = await fetch(new URL(path, BASE), {
    method,
    headers: {
      ...CONSOLE_HEADER,
      // Headers cannot carry other characters, and tokens never contain any.
      ...(/^[\x21-\x7e]+$/.test(token.value) && { 'x-admin-token': token.value }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    cache: 'no-store',
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: signal ?? AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  }).catch((error: Error) => {
    if (signal?.aborted) throw new ApiError('ABORTED', error.message);
    throw new ApiError('UNREACHABLE', 'The emulator does not respond.');
  });
  if (response.ok) return response;
  const payload = await response.json().catch(() => ({}));
  const code = String(payload.code ?? response.status);
  if (code === 'ADMIN_TOKEN_REQUIRED') isTokenRequired.value = true;
  throw new ApiError(code, String(payload.error ?? `The emulator responded with status ${response.status}.`));
}

/** Sends a request to the emulator and returns the parsed JSON, or undefined for 204. @throws ApiError */
export async function requestJson<Result>(method: string, path: string, body?: unknown): Promise<Result> {
  const response = await sendRequest(method, path, body);
  return (response.status === 204 ? undefined : await response.json()) as Result;
}

/** Sends a request to the emulator and returns the message for the toast. @throws ApiError */
export async function requestAction(method: string, path: string, message: string, body?: unknown): Promise<string> {
  await requestJson(method, path, body);
  return message;
}

/** The control-plane path of an account. @throws ApiError for a dot segment, which would lead to another path */
export function accountPath(key: string, rest = ''): string {
  if (isDotSegment(key)) throw new ApiError('ACCOUNT_NOT_FOUND', `${key} is not a valid key.`);
  return `__admin/accounts/${encodeURIComponent(key)}${rest}`;
}
