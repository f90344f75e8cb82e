import type { FastifyReply, FastifyRequest } from 'fastify';

/** An answer to the byte: what a rule gives instead of what the request would have been answered. */
export interface CannedResponse {
  status: number;
  /** Sent as JSON; undefined: there is none. */
  body?: unknown;
  /** Sent as it is. */
  text?: string;
  headers?: Readonly<Record<string, string>>;
  contentType?: string;
}

/** The text of it. */
export const getCannedBody = ({ body, text }: CannedResponse): string =>
  text ?? (body === undefined ? '' : JSON.stringify(body));

/** Makes it the answer that goes out. Returns its text. */
export function applyCannedResponse(
  cannedResponse: CannedResponse,
  request: FastifyRequest,
  reply: FastifyReply,
): string {
  const { status, body, headers = {}, contentType } = cannedResponse;
  const text = getCannedBody(cannedResponse);
  // What was set on the way, such as the limiter's headers, is no part of it.
  for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name);
  const defaultType = body === undefined ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
  reply.code(status).headers(headers);
  if (contentType !== undefined || text !== '') reply.header('content-type', contentType ?? defaultType);
  request.state.errorCode = parseErrorCode(text);
  return text;
}

function parseErrorCode(text: string): string | null {
  try {
    const { errorCode } = JSON.parse(text) ?? {};
    return typeof errorCode === 'string' ? errorCode : null;
  } catch {
    return null;
  }
}
