import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Logger } from 'pino';
import type { Dispatcher } from 'undici';
import { parseBody } from '../../conformance/http-client.ts';
import type { ResultRecording } from '../../conformance/recordings/result-file.ts';
import type { RunRecorder } from '../../conformance/recordings/run-recorder.ts';
import { toPrintableLine } from '../../core/control-chars.ts';
import { SetupError } from '../../core/errors.ts';
import { AbortController, TextDecoder } from '../../core/globals.ts';
import { isLoopbackHost } from '../../core/loopback-hosts.ts';
import type { Clock } from '../../core/time/clock.ts';
import { findCredentials } from '../../http/credentials.ts';
import { FAULT_HEADER } from '../../http/faults/hooks.ts';
import { renderError } from '../../http/pipeline/error-table.ts';
import { maskKeys } from '../../http/redaction.ts';
import type { Authority } from '../../proxy/certificate-authority.ts';
import { createConnectProxy } from '../../proxy/connect-proxy.ts';
import { isVendorHost, VENDOR_HOST } from '../../proxy/vendor-hosts.ts';
import { lingerAndClose } from '../../server/lingering-close.ts';
import { rawErrorResponse } from '../../server/node-http.ts';
import { getRequestId } from '../../server/request-id.ts';
import type { SpendBudget } from './spend-budget.ts';
import { createUpstream, isNotConnected, toClientHeaders } from './upstream.ts';

/** Larger than the largest video in base64. */
const MAX_REQUEST_BYTES = 192 * 1024 * 1024;
/** The longest text in the contract has a few kilobytes. */
const MAX_API_RESPONSE_BYTES = 512 * 1024;
const MAX_FILE_BYTES = 1024 * 1024 * 1024;
/** The service removes watermarks and writes texts while the request waits. */
const RESPONSE_TIMEOUT_MS = 300_000;

const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)(.*)$/i;

export interface RecordingProxyOptions {
  /** URL of the service. */
  url: string;
  port: number;
  recorder: RunRecorder;
  budget: SpendBudget;
  /** Whether result files are kept. */
  recordFiles: boolean;
  authority: Authority;
  clock: Clock;
  logger: Logger;
}

/** The response of the service is not usable; the message is the reason. */
class UnusableResponse extends Error {}
/** The client has closed its connection. */
class ClientGone extends Error {}

interface Target {
  /** One of the vendor's hosts. */
  host: string;
  /** With the query. */
  path: string;
}

/**
 * Starts a proxy on this machine that forwards requests for the vendor's hosts to the real service and records the
 * exchanges. All other requests get 403. Resolves when the proxy listens.
 *
 * @throws SetupError when the port is not available
 */
export async function startRecordingProxy(options: RecordingProxyOptions) {
  const { recorder, budget, clock, logger, authority } = options;
  const upstream = createUpstream(options.url);
  const pending = new Set<Promise<void>>();
  const server = createServer({ keepAliveTimeout: 60_000, requireHostHeader: false }, (request, response) => {
    const handled = handle(request, response)
      .catch((error) => {
        if (!(error instanceof ClientGone)) logger.error({ err: error }, 'a request could not be recorded');
        response.destroy();
      })
      .finally(() => pending.delete(handled));
    pending.add(handled);
  });
  const connectProxy = createConnectProxy({
    server,
    connections: {
      serve: (socket) => void server.emit('connection', socket),
      admit: () => true,
      protect: () => {},
      end: (socket, response) => lingerAndClose(socket, clock, response),
      afterResponses: (_socket, head, callback) => callback(head),
    },
    authority: async () => authority,
    clock,
    refuse(request) {
      const id = getRequestId(request);
      logger.warn({ method: 'CONNECT', path: request.url, status: 403, requestId: maskId(id, request) }, 'refused');
      return rawErrorResponse('PROXY_REFUSED', id);
    },
    createFailure: (request) => rawErrorResponse('AUTHORITY_FAILED', getRequestId(request)),
    onError: (error) => logger.error({ err: error }, 'TLS setup of a connection failed'),
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = getRequestId(request);
    const target = readTarget(request);
    if (!target) {
      logger.warn({ method: request.method, status: 403, requestId: maskId(requestId, request) }, 'refused');
      return sendError(response, renderError('PROXY_REFUSED'), requestId);
    }
    const body = await readRequestBody(request);
    if (body === undefined) return sendError(response, renderError('BODY_TOO_LARGE'), requestId);
    recorder.addCredentials(request.headers);
    const method = request.method ?? 'GET';
    const [path = ''] = target.path.split('?', 1);
    const text = new TextDecoder().decode(body);
    const parsed = body.length === 0 ? undefined : parseBody(text);
    const isRawText = parsed === undefined;
    // JSON may be null.
    const requestBody = isRawText && body.length > 0 ? text : parsed;
    const refund = budget.reserve(method, path, requestBody);
    if (typeof refund === 'string') {
      const error = `The recording stopped this request: ${refund}. Nothing was sent.`;
      return sendError(response, toVendorError(402, 'SPEND_LIMIT_REACHED', error), requestId);
    }
    const contentType = body.length === 0 || isJson(request) ? undefined : (request.headers['content-type'] ?? '');
    const notRepeatable = describeNotRepeatable(request, body);
    await forward({ request, requestId, response, target, body, refund }, (status, headers, responseText, failure) => {
      const parsedResponse = parseBody(responseText);
      const recordedResponse = { status, headers, text: responseText, body: parsedResponse };
      recorder.add({
        ...{ method, path, requestBody, isRawText, contentType, notRepeatable, failure, key: null },
        response: { ...recordedResponse, isWhole: true, isCut: false },
      });
    });
  }

  interface Forwarding {
    request: IncomingMessage;
    requestId: string;
    response: ServerResponse;
    target: Target;
    body: Buffer;
    /** Reverts the reservation of the price. */
    refund: () => void;
  }

  async function forward(
    { request, requestId, response, target, body, refund }: Forwarding,
    record: (status: number, headers: Headers, text: string, failure?: string) => void,
  ): Promise<void> {
    const isApi = target.path.startsWith('/api/');
    const abort = new AbortController();
    response.once('close', () => abort.abort(new ClientGone()));
    const cancelTimeout = clock.after(RESPONSE_TIMEOUT_MS, () =>
      abort.abort(new UnusableResponse(`it did not end within ${RESPONSE_TIMEOUT_MS / 1000} s`)),
    );
    const { method = 'GET', headers } = request;
    try {
      const received = await upstream.send({ ...target, method, headers, body, signal: abort.signal });
      if (received.statusCode >= 400 && received.statusCode < 500) refund();
      if (!isApi) {
        // Files may take longer; the pauses in them are limited.
        cancelTimeout();
        const isFile = options.recordFiles && method === 'GET' && received.statusCode === 200;
        const file = isFile ? recorder.createFile(target.host, target.path.split('?', 1)[0]!) : undefined;
        return await sendFile(received, response, file);
      }
      assertPlain(received);
      const text = isJson(received) ? await sendJson(received, response) : await sendStream(received, response);
      record(received.statusCode, toHeaders(received), text);
    } catch (thrown) {
      const error = getFirstError(thrown);
      if (isNotConnected(error)) refund();
      if (error instanceof ClientGone || isPrematureClose(error)) return;
      fail(error);
    } finally {
      cancelTimeout();
    }

    function fail(error: unknown): void {
      const reason = toPrintableLine((error as Error).message);
      const failure = toVendorError(502, 'UPSTREAM_FAILED', `${options.url} gave no usable response: ${reason}`);
      const line = { method, path: target.path.split('?', 1)[0], status: 502, requestId: maskId(requestId, request) };
      logger.warn({ ...line, reason }, 'the service failed');
      if (isApi) {
        record(502, new Headers({ 'content-type': 'application/json' }), JSON.stringify(failure.body), reason);
      }
      if (response.headersSent) response.destroy();
      else sendError(response, failure, requestId);
    }
  }

  server.listen(options.port, '127.0.0.1');
  await once(server, 'listening').catch((cause) => {
    throw new SetupError(`Port ${options.port} is not available; choose another with --port (0 picks a free one).`, {
      cause,
    });
  });

  let closed: Promise<void> | undefined;
  async function close(): Promise<void> {
    connectProxy.close();
    server.close();
    server.closeAllConnections();
    await Promise.all(pending);
    await upstream.close();
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Closes all connections. Resolves when the last sample is written. */
    close: () => (closed ??= close()),
  };
}

/** Returns the vendor's host and the path of a request. Undefined: it is for another host. */
function readTarget({ url = '', headers }: IncomingMessage): Target | undefined {
  const [, authority, rest = ''] = ABSOLUTE_FORM.exec(url) ?? [];
  const name = (authority ?? headers.host ?? '').replace(/:\d{1,5}$/, '').toLowerCase();
  const path = authority === undefined ? url : rest.replace(/^(?!\/)/, '/');
  if (!path.startsWith('/')) return undefined;
  if (isVendorHost(name)) return { host: name, path };
  // The program uses the base URL that it got in its environment.
  return isLoopbackHost(name) ? { host: VENDOR_HOST, path } : undefined;
}

/** Reads a body. Undefined: it is too large. @throws ClientGone when it does not arrive completely */
async function readRequestBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      if (bytes > MAX_REQUEST_BYTES) return undefined;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new ClientGone('the connection was closed in the middle of a request', { cause });
  }
  return Buffer.concat(chunks);
}

const toVendorError = (status: number, errorCode: string, error: string) => ({
  status,
  body: { success: false, error, errorCode } as Record<string, unknown>,
});

/** Masks keys in the id of a request for the log: a client may send its key as the id. */
const maskId = (requestId: string, { headers }: IncomingMessage) => maskKeys(requestId, findCredentials(headers));

function sendError(
  response: ServerResponse,
  { status, body }: { status: number; body: Record<string, unknown> },
  requestId: string,
) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'x-request-id': requestId,
    // The body of a request that is too large has not been read.
    ...(!response.req.complete && { connection: 'close' }),
  });
  response.end(text);
}

/**
 * Describes why a request cannot be sent again from its sample, which has the body as text, and no header except the
 * content type. Undefined: it can.
 */
function describeNotRepeatable({ headers }: IncomingMessage, body: Buffer): string | undefined {
  const { 'content-encoding': encoding = 'identity' } = headers;
  if (encoding !== 'identity') return `its body was compressed with ${encoding}`;
  if (!isUtf8(body)) return 'its body was not valid UTF-8';
  if (headers[FAULT_HEADER] !== undefined) return `it had the header ${FAULT_HEADER}`;
  return undefined;
}

/** @throws UnusableResponse for a redirect or a compressed response */
function assertPlain({ statusCode, headers, body }: Dispatcher.ResponseData): void {
  const { location, 'content-encoding': encoding = 'identity' } = headers;
  const isRedirect = statusCode >= 300 && statusCode < 400 && location !== undefined;
  if (!isRedirect && encoding === 'identity') return;
  body.on('error', () => {}).destroy();
  const [target] = String(location).split('?', 1);
  throw new UnusableResponse(isRedirect ? `it redirects to ${target}` : `it is compressed with ${encoding}`);
}

const isJson = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) =>
  /^application\/json\s*(?:;|$)/i.test(String(headers['content-type']));

const toHeaders = ({ headers }: Dispatcher.ResponseData) =>
  new Headers(Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]));

/** Yields the chunks of a body and passes each one to `onChunk`. @throws UnusableResponse when the body is too long */
async function* limit(body: AsyncIterable<Buffer>, maxBytes: number, onChunk: (chunk: Buffer) => void) {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new UnusableResponse(`it has more than ${maxBytes} bytes`);
    onChunk(chunk);
    yield chunk;
  }
}

/** Sends JSON when it has arrived completely: until then, the client can still get an error. Returns the text. */
async function sendJson(received: Dispatcher.ResponseData, response: ServerResponse): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of limit(received.body, MAX_API_RESPONSE_BYTES, () => {})) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  response.writeHead(received.statusCode, toClientHeaders(received.headers)).end(bytes);
  return new TextDecoder().decode(bytes);
}

/** Passes a text on as it arrives. Returns the text. */
async function sendStream(received: Dispatcher.ResponseData, response: ServerResponse): Promise<string> {
  const chunks: Buffer[] = [];
  response.writeHead(received.statusCode, toClientHeaders(received.headers)).flushHeaders();
  await pipeline(
    limit(received.body, MAX_API_RESPONSE_BYTES, (chunk) => chunks.push(chunk)),
    response,
  );
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/** Passes a file on as it arrives. */
async function sendFile(
  received: Dispatcher.ResponseData,
  response: ServerResponse,
  file: ResultRecording | undefined,
) {
  let isWhole = false;
  try {
    response.writeHead(received.statusCode, toClientHeaders(received.headers)).flushHeaders();
    await pipeline(
      limit(received.body, MAX_FILE_BYTES, (chunk) => file?.write(chunk)),
      response,
    );
    isWhole = true;
  } finally {
    file?.end(isWhole);
  }
}

/** Returns the first error of an AggregateError, which has no message of its own; any other error as it is. */
const getFirstError = (error: unknown): unknown => (error as { errors?: unknown[] }).errors?.[0] ?? error;

/** Whether `pipeline` failed because the client has closed the connection. */
const isPrematureClose = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
