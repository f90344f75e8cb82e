import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../core/time/clock.ts';
import { failBody } from '../http/pipeline/body.ts';
import { type CommonCode, renderError } from '../http/pipeline/error-table.ts';
import { lingerAndClose } from './lingering-close.ts';
import { afterDetachedResponses, afterResponses, getLastResponse, setLastResponse } from './pipelining.ts';
import { createRequestId, getRequestId } from './request-id.ts';

/*
 * Responses and settings of `node:http` that Fastify does not cover: requests that never become a Fastify request, and
 * keep-alive connections while the server stops. Other changes to Node's behavior are in connection-limit.ts,
 * dual-stack-listener.ts, lingering-close.ts, pipelining.ts, response-batching.ts and socket-guard.ts.
 */

const CLIENT_ERROR_CODES: Record<string, CommonCode> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
};

/**
 * Creates the handler of requests that Node's parser rejects: Node would send a status line without a body, Fastify a
 * body in its own format. Needed as long as every response has to have the vendor's format.
 *
 * The response follows all earlier ones of the connection, which is then closed. If the body of a request is malformed,
 * the error is the response to that request, unless it has another one already.
 */
export function createClientErrorHandler(clock: Clock) {
  const failed = new WeakSet<Socket>();
  return (error: Error & { code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    // Whatever else the client sends is malformed as well.
    if (failed.has(socket)) return;
    failed.add(socket);
    const code = CLIENT_ERROR_CODES[error.code ?? ''] ?? 'MALFORMED_REQUEST';
    const last = getLastResponse(socket);
    const isInBody = last !== undefined && !last.req.complete;
    if (isInBody && !last.headersSent && !last.destroyed) {
      last.setHeader('connection', 'close');
      failBody(last.req, code);
    } else if (error.code === 'HPE_INVALID_EOF_STATE' && last && !last.destroyed) {
      // The client has disconnected in the middle of a request. As always then, Node drops pending responses.
      socket.end();
      return;
    }
    afterResponses(socket, () => lingerAndClose(socket, clock, isInBody ? '' : rawErrorResponse(code)));
  };
}

/** Returns an HTTP response as text, for sockets without a Fastify request. */
export function rawErrorResponse(code: CommonCode, requestId = createRequestId()): string {
  const { status, body } = renderError(code);
  const text = JSON.stringify(body);
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\nX-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${text}`
  );
}

/**
 * Responds to requests with an unknown `Expect` header: Node would send 417 without a body before Fastify sees the
 * request. Remove this when Fastify has an option for it.
 */
export function rejectExpectations(server: Server): void {
  server.on('checkExpectation', (request, response) => {
    setLastResponse(request, response);
    const { status, body } = renderError('EXPECTATION_FAILED');
    const text = JSON.stringify(body);
    response
      .writeHead(status, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(text),
        'x-request-id': getRequestId(request),
        connection: 'close',
      })
      .end(text);
  });
}

/**
 * Ignores the header Upgrade, as RFC 9110, section 7.8 allows. Without a listener, Node responds to such requests but
 * discards what the client has sent after them. Node offers no way to go on with HTTP, so the request is parsed again
 * without its upgrade, together with the data after it. Remove this when Node's `shouldUpgradeCallback` keeps that data.
 */
export function ignoreUpgrades(server: Server, serve: (socket: Socket) => void): void {
  server.on('upgrade', (request, stream, head) => {
    const socket = stream as Socket;
    afterDetachedResponses(socket, head, (data) => {
      socket.unshift(Buffer.concat([Buffer.from(formatWithoutUpgrade(request), 'latin1'), data]));
      serve(socket);
    });
  });
}

/** Formats the head of a request without the option `upgrade` of the header Connection. */
function formatWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name, value] = [rawHeaders[index]!, rawHeaders[index + 1]!];
    if (name.toLowerCase() !== 'connection') lines.push(`${name}: ${value}`);
    else {
      const options = value.split(',').filter((option) => option.trim().toLowerCase() !== 'upgrade');
      if (options.length > 0) lines.push(`${name}: ${options.join(',')}`);
    }
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/**
 * Lets connections end right after their current response while the server stops. `server.close()` ends only the
 * connections that are idle when it is called; the others would stay open for the keep-alive timeout. Remove this
 * when Node's `close()` ends connections as they become idle.
 */
export function stopKeepAlive(server: Server): void {
  Object.assign(server, { keepAliveTimeout: 1, keepAliveTimeoutBuffer: 0 });
}
