import { signal } from '@preact/signals';
import { isDotSegment } from '../route.ts';

/** The emulator's, wherever it is served: `/console` and `/nodes/2/console` both know where the control plane is. */
const BASE = new URL('.', document.baseURI);
export const ORIGIN: string = BASE.href.replace(/\/$/, '');

/** A page of another origin cannot send it, not even as a form. */
const CONSOLE_HEADER = { 'x-emulator-console': '1' };
const TOKEN_STORAGE_KEY = 'nanophoto-emulator admin token';

/** Kept for this tab alone, until it is closed. */
const token = signal(sessionStorage.getItem(TOKEN_STORAGE_KEY) ?? '');
/** Whether the emulator wants a token that we do not have. */
export const isTokenRequired = signal(false);

/** With a call for what is looked at: behind a balancer not every call has an emulator. @throws Refusal when it is not the one */
export async function tryToken(text: string, path: string): Promise<void> {
  token.value = text;
  await sendRequest('GET', path).catch((error: ApiError) => {
    if (error.code === 'ADMIN_TOKEN_REQUIRED')
      throw new ApiError(error.code, 'This is not the token of this emulator.');
    // Whatever else is wrong, the token is not.
    if (error.code === 'UNREACHABLE') throw error;
  });
  sessionStorage.setItem(TOKEN_STORAGE_KEY, text);
  isTokenRequired.value = false;
}

/** The control plane said no, or nothing at all. */
export class ApiError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** No call takes as long, drawing an image on a busy machine included. */
const REQUEST_TIMEOUT_MS = 60_000;

/** @throws Refusal with the control plane's own code, UNREACHABLE, or LEFT when `signal` has ended it */
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
      // A header can carry nothing else, and no token has anything else in it.
      ...(/^[\x21-\x7e]+$/.test(token.value) && { 'x-admin-token': token.value }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    cache: 'no-store',
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: signal ?? AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  }).catch((error: Error) => {
    if (signal?.aborted) throw new ApiError('LEFT', error.message);
    throw new ApiError('UNREACHABLE', 'The emulator does not answer.');
  });
  if (response.ok) return response;
  const payload = await response.json().catch(() => ({}));
  const code = String(payload.code ?? response.status);
  if (code === 'ADMIN_TOKEN_REQUIRED') isTokenRequired.value = true;
  throw new ApiError(code, String(payload.error ?? `The emulator answered ${response.status}.`));
}

/** What the control plane answers, as JSON. @throws Refusal */
export async function requestJson<Result>(method: string, path: string, body?: unknown): Promise<Result> {
  const response = await sendRequest(method, path, body);
  return (response.status === 204 ? undefined : await response.json()) as Result;
}

/** @throws Refusal where the path would be that of another call */
export function accountPath(key: string, rest = ''): string {
  if (isDotSegment(key)) throw new ApiError('ACCOUNT_NOT_FOUND', `${key} is no key.`);
  return `__admin/accounts/${encodeURIComponent(key)}${rest}`;
}
