import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type CommonCode, renderError } from '../http/pipeline/error-table.ts';

/*
 * Responses and settings of `node:http` that Fastify does not cover: requests that never become a Fastify request, and
 * keep-alive connections while the server stops. Other changes to Node's behavior are in connection-limit.ts,
 * dual-stack-listener.ts and response-batching.ts.
 */

/**
 * Responds to requests that Node's parser rejects: Node would send a status line without a body, Fastify a body in its
 * own format. Needed as long as every response has to have the vendor's format.
 */
export function sendClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const codes: Record<string, CommonCode> = {
    HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
    ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
  };
  socket.end(rawErrorResponse(codes[error.code ?? ''] ?? 'MALFORMED_REQUEST'));
}

/** Returns an HTTP response as text, for sockets without a Fastify request. */
export function rawErrorResponse(code: CommonCode): string {
  const { status, body } = renderError(code);
  const text = JSON.stringify(body);
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`
  );
}

/**
 * Responds to requests with an unknown `Expect` header: Node would send 417 without a body before Fastify sees the
 * request. Remove this when Fastify has an option for it.
 */
export function rejectExpectations(server: Server): void {
  server.on('checkExpectation', (_request, response) => {
    const { status, body } = renderError('EXPECTATION_FAILED');
    const text = JSON.stringify(body);
    response
      .writeHead(status, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(text),
        connection: 'close',
      })
      .end(text);
  });
}

/**
 * Lets connections end right after their current response while the server stops. `server.close()` ends only the
 * connections that are idle when it is called; the others would stay open for the keep-alive timeout. Remove this
 * when Node's `close()` ends connections as they become idle.
 */
export function stopKeepAlive(server: Server): void {
  Object.assign(server, { keepAliveTimeout: 1, keepAliveTimeoutBuffer: 0 });
}
