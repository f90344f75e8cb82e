import { signal } from '@preact/signals';

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

/** @throws Refusal when it is not the one */
export async function tryToken(text: string): Promise<void> {
  token.value = text;
  await send('GET', '__admin/accounts?limit=1');
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

/** @throws Refusal with the control plane's own code, or UNREACHABLE */
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
    ...(signal && { signal }),
  }).catch((error: Error) => {
    throw new Refusal('UNREACHABLE', signal?.aborted ? error.message : 'The emulator does not answer.');
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

export const accountPath = (key: string, rest = ''): string =>
  `__admin/accounts/${encodeURIComponent(key)}${rest}`;
