import { parseJson } from '../core/json.ts';
import type { Json } from '../openapi/json-schema.ts';

export interface HttpResponse {
  status: number;
  headers: Headers;
  text: string;
  /** Parsed JSON. Undefined: the body is not JSON, or nested deeper than any in the contract. */
  body: Json;
  /** Whether the body arrived completely. */
  isWhole: boolean;
  /** Whether reading stopped because the body is longer than any in the contract. */
  isCut: boolean;
}

/** The longest text in the contract has a few kilobytes. */
const MAX_RESPONSE_BYTES = 512 * 1024;
/** Deeper than any body of the API, so that no function that recurses into a body overflows the call stack. */
const MAX_NESTING = 64;
/** Text streams take up to a minute. */
const RESPONSE_TIMEOUT_MS = 120_000;

/**
 * Sends a request to a server that may be hostile: the response is limited in time, size and depth, and redirects are
 * not followed.
 *
 * @throws TypeError or DOMException when the server does not respond, as fetch does
 */
export async function request(url: string, init: RequestInit, timeoutMs = RESPONSE_TIMEOUT_MS): Promise<HttpResponse> {
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { ...init, redirect: 'manual', signal });
  const { text, isWhole, isCut } = await readBody(response);
  return { status: response.status, headers: response.headers, text, body: parseBody(text), isWhole, isCut };
}

/** Parses a body. Undefined: it is not JSON, or nested deeper than any body of the API. */
export function parseBody(text: string): Json {
  try {
    return parseJson(text, { maxNesting: MAX_NESTING });
  } catch {
    return undefined;
  }
}

/** Reads a body up to its end, its maximum size or the point where the connection breaks. */
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

/** Whether the server accepted the connection, but closed it without a response. */
export const isConnectionError = (error: unknown): boolean =>
  ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(describeError(error));

/** Whether the server may have processed the request. */
export const mayHaveReachedServer = (error: unknown): boolean =>
  isConnectionError(error) || (error as Error).name === 'TimeoutError';

/** Says briefly why a request got no response. */
export function describeError(error: unknown): string {
  const { cause, name, message } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError') return `no response within ${RESPONSE_TIMEOUT_MS / 1000} s`;
  return cause?.code ?? cause?.message ?? message;
}
