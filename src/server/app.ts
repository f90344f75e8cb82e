import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import Fastify, { type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { ADMIN_ERRORS } from '../control-plane/error-codes.ts';
import { sendAdminError } from '../control-plane/guard.ts';
import { registerAdmin, rejectUnknownOperations } from '../control-plane/index.ts';
import type { Core } from '../core/core.ts';
import { EmulatorError } from '../core/errors.ts';
import { AbortController } from '../core/globals.ts';
import { FAMILIES } from '../families/index.ts';
import type { App, HttpContext, HttpSettings } from '../http/context.ts';
import { getDocumentedErrors, registerFamilies } from '../http/family.ts';
import { createJournal } from '../http/journal/journal.ts';
import { registerApiHooks } from '../http/pipeline/api-hooks.ts';
import { createAuthenticate } from '../http/pipeline/auth.ts';
import { createJsonParser, DRAIN_BYTES } from '../http/pipeline/body.ts';
import { BodyTurns } from '../http/pipeline/body-turns.ts';
import { createConcurrencyLimit } from '../http/pipeline/concurrency-limit.ts';
import { registerCors } from '../http/pipeline/cors.ts';
import { failSending, sendError } from '../http/pipeline/errors.ts';
import { createNotFoundHandler } from '../http/pipeline/not-found.ts';
import { registerRateLimit } from '../http/pipeline/rate-limit.ts';
import { createFastifyLogger, RequestLog } from '../http/pipeline/request-log.ts';
import { beginRequest, registerRequestState } from '../http/pipeline/request-state.ts';
import { onFinished } from '../http/pipeline/response-lifecycle.ts';
import { type ZodTypeProvider, zodValidator } from '../http/pipeline/validation.ts';
import { registerResultRoutes } from '../http/results/routes.ts';
import { registerVendorDocument } from '../openapi/routes.ts';
import { isPageRequest, redirectToConsole, registerConsolePage } from '../pages/console-page.ts';
import { registerDocsPage } from '../pages/docs-page.ts';
import { CONSOLE_DIR, REFERENCE_DIR } from '../paths.ts';
import type { Authority } from '../proxy/certificate-authority.ts';
import { createResults } from '../rendering/result-renderer.ts';
import { createClientErrorHandler, rejectExpectations, stopKeepAlive } from './node-http.ts';
import { limitPipelining } from './pipelining.ts';
import { getRequestId } from './request-id.ts';
import { findForeignAuthority, normalizeRequestTarget } from './request-target.ts';
import { createResponseBatcher } from './response-batching.ts';
import type { SocketGuard } from './socket-guard.ts';

/** Upper bound of the time in which the headers have to arrive: they are small, even on a slow connection. */
const MAX_HEADERS_TIMEOUT_MS = 60_000;
/** Upper bound of the interval at which Node checks for timeouts, otherwise a quarter of the request timeout. */
const MAX_CHECK_INTERVAL_MS = 30_000;

const ADMIN_INTERNAL_ERROR = { error: ADMIN_ERRORS.INTERNAL_ERROR.example, code: 'INTERNAL_ERROR' };

export interface AppSettings extends HttpSettings {
  /** Whether unknown keys that start with `np_test_` get an auto-created account. */
  autoAccounts: boolean;
  /** Whether web pages of other origins may use the API. */
  cors: boolean;
  /** Maximum size of the request line and the headers together. */
  headerLimitBytes: number;
  /** Time in which a request has to arrive completely. */
  requestTimeoutSeconds: number;
  /** Maximum number of concurrent long-running responses of the API. */
  streamLimit: number;
  /** Maximum number of concurrent event streams and waits of the control plane. */
  listenerLimit: number;
  /** Number of requests in the journal of each account; 0: no journal. */
  journalEntries: number;
}

/**
 * Builds the HTTP side of the emulator over an open core, without listening. Closing the app leaves the core open.
 *
 * A request to the vendor's API passes through:
 *
 *  1. Node's parser and `normalizeRequestTarget`, which turns the request target into a path.
 *  2. onRequest: a fresh `request.state`, and the response's `x-request-id`; requests for foreign hosts and requests
 *     without exactly one Host are rejected.
 *  3. onRequest of the API: `authenticate` finds the account and opens the journal entry; then the rate limit counts.
 *  4. The body parser.
 *  5. preValidation: the journal records the body; directives and fault rules at `request` apply.
 *  6. Validation of the body by the route's schema.
 *  7. preHandler: the journal records undocumented fields; fault rules at `charge` apply.
 *  8. The handler of the family's route, which decides the response. A submit charges and creates tasks; a poll
 *     applies the account's due transitions and reads its tasks (`families/kit/task-requests.ts`).
 *  9. onSend: the response waits for the commit of what the request has written (`registerResponseBatching`); then
 *     fault rules at `accepted` apply and the journal records the response.
 *
 * An error thrown on the way skips to `sendError`, and its response passes through onSend as well. `registerApiHooks`
 * registers steps 5, 7 and the faults and journal of step 9; the functions below register the other hooks.
 */
export async function buildApp(
  core: Core,
  settings: AppSettings,
  logger: Logger,
  authority: () => Promise<Authority>,
  guard: SocketGuard,
): Promise<App> {
  const app = createServer(core, settings, logger, guard);
  guard.protectServer(app.server);
  limitPipelining({ server: app.server, memory: core.memory, clock: core.clock, guard });
  app.decorate('memory', core.memory);
  app.decorate('bodyTurns', new BodyTurns(core.clock));
  const context = createHttpContext(app, core, settings);

  registerRequestState(app);
  app.setErrorHandler<Error>((error, request, reply) => sendError(error, request, reply, context.documentedErrors));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', createJsonParser(settings.bodyLimitBytes));
  registerRequestChecks(app);
  registerResponseBatching(app, core, guard);

  app.route({
    method: ['GET', 'HEAD'],
    url: '/ca.pem',
    async handler(_request, reply) {
      reply.type('application/x-pem-file');
      return (await authority()).certificate;
    },
  });
  registerVendorDocument(app, context, FAMILIES);
  registerDocsPage(app, REFERENCE_DIR);
  registerConsolePage(app, CONSOLE_DIR);
  await app.register(async (admin: App) => registerAdmin(admin, context, FAMILIES));
  await app.register(async (results: App) => registerResultRoutes(results, context, FAMILIES));
  await app.register(async (api: App) => {
    rejectUnknownOperations(api, context);
    if (settings.cors) registerCors(api);
    await registerAuthentication(api, context, settings);
    registerApiHooks(api, context);
    registerFamilies(api, context, FAMILIES);
  });
  await app.ready();
  return app;
}

function createServer(core: Core, settings: AppSettings, logger: Logger, guard: SocketGuard): App {
  const requestTimeoutMs = settings.requestTimeoutSeconds * 1000;
  const app: App = Fastify({
    loggerInstance: createFastifyLogger(logger) as FastifyBaseLogger,
    logController: new RequestLog(logger, (key) => core.accounts.find(key) !== undefined),
    // A child logger for each request would cost more than its lines, which have the id of the request themselves.
    childLoggerFactory: (parent) => parent,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: 'idle',
    // While it closes, Fastify would send a 503 in its own format.
    return503OnClosing: false,
    // Otherwise Fastify loads its own compilers, Ajv among them, at every start. Its types know no other validators. No
    // route has a schema for its responses.
    schemaController: {
      compilersFactory: { buildValidator: () => zodValidator as never, buildSerializer: () => () => JSON.stringify },
    },
    // No plugin waits for anything, and a timer for each route would take time.
    pluginTimeout: 0,
    rewriteUrl: normalizeRequestTarget,
    genReqId: getRequestId,
    // API keys in paths of the control plane are longer than the router's default. The patterns in paths are constants
    // without nested repetitions, so the router need not analyze them at each start.
    routerOptions: { maxParamLength: 1000, allowUnsafeRegex: true },
    // Routes that serve HEAD as well have both methods: a second route for each takes time when an emulator starts.
    exposeHeadRoutes: false,
    http: {
      ...guard.messageClasses,
      // Checked by registerRequestChecks, because Node would respond without a body.
      requireHostHeader: false,
      maxHeaderSize: settings.headerLimitBytes,
      headersTimeout: Math.min(requestTimeoutMs, MAX_HEADERS_TIMEOUT_MS),
      connectionsCheckingInterval: Math.min(requestTimeoutMs / 4, MAX_CHECK_INTERVAL_MS),
    },
    clientErrorHandler: createClientErrorHandler(core.clock),
    frameworkErrors(error, request, reply) {
      // Fastify rejects these requests before its first hook.
      beginRequest(request, reply);
      const send = isControlPlaneUrl(request.url) ? sendAdminError : sendError;
      send(error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();
  // All of them count: the limit of their bytes applies, and requests with headers left out would change their meaning.
  app.server.maxHeadersCount = 0;
  rejectExpectations(app.server);
  return app;
}

const isControlPlaneUrl = (url: string) => url.startsWith('/__admin');

function createHttpContext(app: App, core: Core, settings: AppSettings): HttpContext {
  const stopping = new AbortController();
  // Every open stream listens to this signal; Node would warn of a leak.
  setMaxListeners(0, stopping.signal);
  app.addHook('preClose', async () => {
    stopping.abort();
    stopKeepAlive(app.server);
  });
  const { streamLimit, listenerLimit } = settings;
  return {
    ...{ core, settings, stopping: stopping.signal },
    documentedErrors: getDocumentedErrors(FAMILIES),
    journal: createJournal(core, settings.journalEntries),
    results: createResults({ ...settings, stopping: stopping.signal }),
    streamLimit: createConcurrencyLimit(
      streamLimit,
      'TOO_MANY_STREAMS',
      `the limit of ${streamLimit} concurrent responses is reached`,
    ),
    listenerLimit: createConcurrencyLimit(
      listenerLimit,
      'TOO_MANY_LISTENERS',
      `The limit of ${listenerLimit} concurrent listeners and waits is reached (--listener-limit).`,
    ),
  };
}

/**
 * Rejects requests for other hosts, which clients send to a proxy, requests without exactly one Host header, and transfer
 * codings that Node would ignore.
 */
function registerRequestChecks(app: App): void {
  app.addHook('onRequest', (request, reply, done) => {
    const foreignAuthority = findForeignAuthority(request.originalUrl, request.socket.localPort);
    if (foreignAuthority !== undefined) {
      return done(new EmulatorError('PROXY_REFUSED', `the request is for ${foreignAuthority}`));
    }
    const { httpVersion, rawHeaders } = request.raw;
    if (httpVersion !== '1.1' && httpVersion !== '1.0') {
      return done(new EmulatorError('MALFORMED_REQUEST', `HTTP/${httpVersion} is not supported`));
    }
    if (request.headers.host === undefined && httpVersion === '1.1') {
      return done(new EmulatorError('HOST_REQUIRED', 'the Host header is missing'));
    }
    // RFC 9112, section 3.2. Node keeps the first of several Host headers.
    if (hasSeveralHosts(rawHeaders)) {
      return done(new EmulatorError('MALFORMED_REQUEST', 'the request has several Host headers'));
    }
    const coding = request.headers['transfer-encoding'];
    if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0')) {
      // RFC 9112, section 6.1. It recommends 501 for unknown codings; but clients may retry after a 5xx.
      reply.header('connection', 'close');
      return done(
        new EmulatorError('MALFORMED_REQUEST', `the transfer coding ${coding} is not supported in HTTP/${httpVersion}`),
      );
    }
    done();
  });
}

/** `rawHeaders` alternates between names and values. */
function hasSeveralHosts(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count > 1;
}

/**
 * Responses up to this size are not counted in the memory account, because most are smaller, except when they are
 * pipelined. `/metrics` therefore works when the budget is exceeded.
 */
const SMALL_RESPONSE_BYTES = 8192;

/** Returns the size of a response's body; 0 for a small text, and for a stream. */
function getResponseBytes(payload: unknown): number {
  if (typeof payload === 'string') return payload.length <= SMALL_RESPONSE_BYTES ? 0 : Buffer.byteLength(payload);
  return Buffer.isBuffer(payload) ? payload.length : 0;
}

/** Whether all responses of the route share one body. Encryption makes a copy for each connection. */
function isSharedBody({ routeOptions, raw }: FastifyRequest): boolean {
  return routeOptions.config.isSharedBody === true && !(raw.socket instanceof TLSSocket);
}

/**
 * Closes the connection after a response to a request whose body is still arriving and may never end. The rest of any
 * other body is read and discarded, and the connection remains usable. Call it right before the response is sent:
 * bodies that arrive with their head are complete then.
 */
function limitUnreadBody({ raw, server }: FastifyRequest, reply: FastifyReply): void {
  if (raw.complete !== false) return;
  if (raw.listenerCount('data') === 0) discardBody(raw, server.bodyTurns);
  const { 'transfer-encoding': coding, 'content-length': bytes } = raw.headers;
  if (coding !== undefined || Number(bytes) > DRAIN_BYTES) reply.header('connection', 'close');
}

/** Reads a body in turns, which Node would do without a pause, and not beyond the limit while its response is open. */
function discardBody(body: IncomingMessage, turns: BodyTurns): void {
  let bytes = 0;
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DRAIN_BYTES) body.pause();
    else turns.onChunk(body, chunk.length);
  });
}

/**
 * Sends responses in batches, and only when everything written before is committed: a response must remain true if the
 * process is killed right after it. Large responses count in the memory account until they are sent.
 */
function registerResponseBatching(app: App, core: Core, guard: SocketGuard): void {
  const responseBatcher = createResponseBatcher(core, guard);
  app.addHook('onSend', (request, reply, payload, done) => {
    const { socket } = request.raw;
    responseBatcher.flushBeforeHalfClose(socket);
    const send = (body: unknown) => {
      limitUnreadBody(request, reply);
      done(null, body);
    };
    const fail = (error: Error) => {
      const body = isControlPlaneUrl(request.url) ? ADMIN_INTERNAL_ERROR : undefined;
      failSending(error, request, reply, (failure, text) => (failure ? done(failure) : send(text)), body);
    };
    const bytes = getResponseBytes(payload);
    const heldBytes = isSharedBody(request) ? 0 : bytes;
    if (heldBytes > 0) {
      if (!core.memory.reserve('responses', heldBytes)) {
        return fail(new EmulatorError('OUT_OF_MEMORY', 'the response exceeds the memory budget'));
      }
      onFinished(request, reply, () => core.memory.add('responses', -heldBytes));
    }
    if (!core.transactions.hasPendingBatch()) {
      return responseBatcher.enqueue({ socket, bytes, send: () => send(payload) });
    }
    core.transactions.afterCommit((failure) => {
      guard.run(socket, () => {
        if (failure === null) send(payload);
        else fail(failure as Error);
      });
    });
  });
}

/**
 * Registers authentication and the rate limit for all routes of the API and for unknown paths. The rate limit counts
 * requests for unknown paths as well, if they have a valid key.
 */
async function registerAuthentication(api: App, context: HttpContext, settings: AppSettings): Promise<void> {
  const authenticate = createAuthenticate(context, settings.autoAccounts ? settings.newAccountProfile : undefined);
  await registerRateLimit(api, context.core);
  const countRequest = api.rateLimit();
  const notFound = createNotFoundHandler(api);
  const isReadOnly = settings.opened !== undefined;
  api.addHook('onRequest', (request, reply, done) => {
    if (request.is404 && isPageRequest(request)) return void redirectToConsole(reply);
    if (isReadOnly) throw new EmulatorError('READ_ONLY', 'the emulator shows a file');
    authenticate(request);
    if (!request.is404) return done();
    countRequest
      .call(api, request, reply)
      .then(() => notFound(request, reply))
      .catch(done);
  });
  // Fastify runs the hooks of a context for unknown paths only if the context has a not-found handler of its own.
  api.setNotFoundHandler(notFound);
}
