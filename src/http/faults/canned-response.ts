import type { FastifyReply, FastifyRequest } from 'fastify';

/** A complete response, given by a fault rule, that is sent byte for byte instead of the route's own. */
export interface CannedResponse {
  status: number;
  /** Sent as JSON; undefined: no body. */
  body?: unknown;
  /** Sent verbatim. A canned response has either a body or a text. */
  text?: string;
  headers?: Readonly<Record<string, string>>;
  contentType?: string;
}

/** Sends a canned response as the response to the request. */
export function sendCannedResponse(cannedResponse: CannedResponse, request: FastifyRequest, reply: FastifyReply): void {
  const text = applyCannedResponse(cannedResponse, request, reply);
  // With a serializer of its own, Fastify neither guesses a content type nor adds a charset to it.
  void reply.serializer(() => text).send(cannedResponse);
}

/** Gives the reply the status and headers of a canned response and returns the body to send. */
export function applyCannedResponse(
  { status, body, text, headers = {}, contentType }: CannedResponse,
  request: FastifyRequest,
  reply: FastifyReply,
): string {
  const bodyText = text ?? (body === undefined ? '' : JSON.stringify(body));
  removeHeaders(reply);
  const defaultType = body === undefined ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
  reply.code(status).headers(headers);
  if (contentType !== undefined || bodyText !== '') reply.header('content-type', contentType ?? defaultType);
  request.state.errorCode = parseErrorCode(bodyText);
  return bodyText;
}

/**
 * Removes the headers of a response that is replaced, such as those of the rate limit. `x-request-id` remains; with
 * --cors on, so do the headers that let web pages read the new response.
 */
export function removeHeaders(reply: FastifyReply): void {
  for (const name of Object.keys(reply.getHeaders())) {
    if (name !== 'x-request-id' && !name.startsWith('access-control-')) reply.removeHeader(name);
  }
}

function parseErrorCode(text: string): string | null {
  try {
    const { errorCode } = JSON.parse(text) ?? {};
    return typeof errorCode === 'string' ? errorCode : null;
  } catch {
    return null;
  }
}
