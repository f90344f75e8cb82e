import type { FastifyReply, FastifyRequest } from 'fastify';

/** An answer to the byte: what a rule gives instead of what the request would have been answered. */
export interface WholeAnswer {
  status: number;
  /** Sent as JSON; undefined: there is none. */
  body?: unknown;
  /** Sent as it is. */
  text?: string;
  headers?: Readonly<Record<string, string>>;
  contentType?: string;
}

/** The text of it. */
export const textOf = ({ body, text }: WholeAnswer): string =>
  text ?? (body === undefined ? '' : JSON.stringify(body));

/** Makes it the answer that goes out. Returns its text. */
export function tellWhole(whole: WholeAnswer, request: FastifyRequest, reply: FastifyReply): string {
  const { status, body, headers = {}, contentType } = whole;
  const text = textOf(whole);
  // What was set on the way, such as the limiter's headers, is no part of it.
  for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name);
  const usual = body === undefined ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
  reply.code(status).headers(headers);
  if (contentType !== undefined || text !== '') reply.header('content-type', contentType ?? usual);
  request.errorCode = errorCodeOf(text);
  return text;
}

function errorCodeOf(text: string): string | null {
  try {
    const { errorCode } = JSON.parse(text) ?? {};
    return typeof errorCode === 'string' ? errorCode : null;
  } catch {
    return null;
  }
}
