import type { Json } from '../openapi/json-schema.ts';

export interface HttpResponse {
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
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
/** Texts are written for a minute at most. */
const RESPONSE_TIMEOUT_MS = 120_000;

/** @throws TypeError or DOMException when there is no answer, as fetch does */
export async function request(url: string, init: RequestInit): Promise<HttpResponse> {
  const signal = AbortSignal.timeout(RESPONSE_TIMEOUT_MS);
  const response = await fetch(url, { ...init, redirect: 'manual', signal });
  const { text, isWhole, isCut } = await readBody(response);
  let body: Json;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return { status: response.status, headers: response.headers, text, body, isWhole, isCut };
}

/** What there is of it, and no more than can be sensible. */
async function readBody({ body }: Response): Promise<Pick<HttpResponse, 'text' | 'isWhole' | 'isCut'>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const toResult = (isWhole: boolean, isCut = false) => ({
    text: new TextDecoder().decode(Buffer.concat(chunks)),
    ...{ isWhole, isCut },
  });
  try {
    for await (const chunk of body ?? []) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_RESPONSE_BYTES) return toResult(false, true);
    }
    return toResult(true);
  } catch (error) {
    if ((error as Error).name === 'TimeoutError') throw error;
    return toResult(false);
  }
}

/** Whether the server is there, but did not answer this one request. */
export const isConnectionError = (error: unknown): boolean =>
  ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(describeError(error));

/** Whether the server may have done what it was asked. */
export const mayHaveReachedServer = (error: unknown): boolean =>
  isConnectionError(error) || (error as Error).name === 'TimeoutError';

/** Why there is no answer, in a word. */
export function describeError(error: unknown): string {
  const { cause, name, message } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError') return `nothing within ${RESPONSE_TIMEOUT_MS / 1000} s`;
  return cause?.code ?? cause?.message ?? message;
}
