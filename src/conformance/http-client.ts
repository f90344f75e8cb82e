import type { Json } from '../openapi/json-schema.ts';

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** Undefined where it is no JSON. */
  body: Json;
  /** Whether it came to its end. */
  isWhole: boolean;
  /** It was longer than anything that the contract has, and was not read on. */
  isCut: boolean;
}

/** The longest text that the contract has is some kilobytes. */
const MOST_BYTES = 4 * 1024 * 1024;
/** Texts are written for a minute at most. */
const ANSWERED_WITHIN_MS = 120_000;

/** @throws TypeError or DOMException when there is no answer, as fetch does */
export async function ask(url: string, init: RequestInit): Promise<Answer> {
  const signal = AbortSignal.timeout(ANSWERED_WITHIN_MS);
  const response = await fetch(url, { ...init, redirect: 'manual', signal });
  const { text, isWhole, isCut } = await read(response);
  let body: Json;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return { status: response.status, headers: response.headers, text, body, isWhole, isCut };
}

/** What there is of it, and no more than can be sensible. */
async function read({ body }: Response): Promise<Pick<Answer, 'text' | 'isWhole' | 'isCut'>> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const done = (isWhole: boolean, isCut = false) => ({
    text: new TextDecoder().decode(Buffer.concat(pieces)),
    ...{ isWhole, isCut },
  });
  try {
    for await (const piece of body ?? []) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > MOST_BYTES) return done(false, true);
    }
    return done(true);
  } catch (error) {
    if ((error as Error).name === 'TimeoutError') throw error;
    return done(false);
  }
}

/** Whether the server is there, but did not answer this one request. */
export const isBrokenOff = (error: unknown): boolean =>
  ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(reasonOf(error));

/** Whether the server may have done what it was asked. */
export const hasArrived = (error: unknown): boolean =>
  isBrokenOff(error) || (error as Error).name === 'TimeoutError';

/** Why there is no answer, in a word. */
export function reasonOf(error: unknown): string {
  const { cause, name, message } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError') return `nothing within ${ANSWERED_WITHIN_MS / 1000} s`;
  return cause?.code ?? cause?.message ?? message;
}
