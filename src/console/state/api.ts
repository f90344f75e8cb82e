import { signal } from '@preact/signals';
import { isStep } from '../route.ts';

/** The emulator's, wherever it is served: `/console` and `/nodes/2/console` both know where the control plane is. */
const BASE = new URL('.', document.baseURI);
export const ORIGIN: string = BASE.href.replace(/\/$/, '');

/** A page of another origin cannot send it, not even as a form. */
const OURS = { 'x-emulator-console': '1' };
const KEPT_AS = 'nanophoto-emulator admin token';

/** Kept for this tab alone, until it is closed. */
const token = signal(sessionStorage.getItem(KEPT_AS) ?? '');
/** Whether the emulator wants a token that we do not have. */
export const isTokenWanted = signal(false);

/** With a call for what is looked at: behind a balancer not every call has an emulator. @throws Refusal when it is not the one */
export async function tryToken(text: string, path: string): Promise<void> {
  token.value = text;
  await send('GET', path).catch((error: Refusal) => {
    if (error.code === 'ADMIN_TOKEN_REQUIRED')
      throw new Refusal(error.code, 'This is not the token of this emulator.');
    // Whatever else is wrong, the token is not.
    if (error.code === 'UNREACHABLE') throw error;
  });
  sessionStorage.setItem(KEPT_AS, text);
  isTokenWanted.value = false;
}

/** The control plane said no, or nothing at all. */
export class Refusal extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** No call takes as long, drawing an image on a busy machine included. */
const ANSWERED_WITHIN_MS = 60_000;

/** @throws Refusal with the control plane's own code, UNREACHABLE, or LEFT when `signal` has ended it */
export async function send(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Response> {
  const response = await fetch(new URL(path, BASE), {
    method,
    headers: {
      ...OURS,
      // A header can carry nothing else, and no token has anything else in it.
      ...(/^[\x21-\x7e]+$/.test(token.value) && { 'x-admin-token': token.value }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    cache: 'no-store',
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: signal ?? AbortSignal.timeout(ANSWERED_WITHIN_MS),
  }).catch((error: Error) => {
    if (signal?.aborted) throw new Refusal('LEFT', error.message);
    throw new Refusal('UNREACHABLE', 'The emulator does not answer.');
  });
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  const code = String(told.code ?? response.status);
  if (code === 'ADMIN_TOKEN_REQUIRED') isTokenWanted.value = true;
  throw new Refusal(code, String(told.error ?? `The emulator answered ${response.status}.`));
}

/** What the control plane answers, as JSON. @throws Refusal */
export async function call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await send(method, path, body);
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

/** @throws Refusal where the path would be that of another call */
export function accountPath(key: string, rest = ''): string {
  if (isStep(key)) throw new Refusal('ACCOUNT_NOT_FOUND', `${key} is no key.`);
  return `__admin/accounts/${encodeURIComponent(key)}${rest}`;
}
