import { setMaxListeners } from 'node:events';
import Fastify, { type FastifyBaseLogger } from 'fastify';
import type { Logger } from 'pino';
import { ADMIN_ERRORS } from '../control-plane/error-codes.ts';
import { sendAdminError } from '../control-plane/guard.ts';
import { registerAdmin } from '../control-plane/index.ts';
import type { Core } from '../core/core.ts';
import { EmulatorError } from '../core/errors.ts';
import { FAMILIES, registerFamilies } from '../families/index.ts';
import type { App, HttpContext, HttpSettings } from '../http/context.ts';
import { createJournal } from '../http/journal/journal.ts';
import { registerApiHooks } from '../http/pipeline/api-hooks.ts';
import { createAuthenticate } from '../http/pipeline/auth.ts';
import { createJsonParser } from '../http/pipeline/body.ts';
import { createConcurrencyLimit } from '../http/pipeline/concurrency-limit.ts';
import { renderError } from '../http/pipeline/error-table.ts';
import { sendError } from '../http/pipeline/errors.ts';
import { createNotFoundHandler } from '../http/pipeline/not-found.ts';
import { registerRateLimit } from '../http/pipeline/rate-limit.ts';
import { createFastifyLogger, RequestLog } from '../http/pipeline/request-log.ts';
import { createRequestState, registerRequestState } from '../http/pipeline/request-state.ts';
import { type ZodTypeProvider, zodValidator } from '../http/pipeline/validation.ts';
import { registerResultRoutes } from '../http/results/routes.ts';
import { registerVendorDocument } from '../openapi/routes.ts';
import type { DocumentedRoute } from '../openapi/vendor-document.ts';
import { registerConsolePage } from '../pages/console-page.ts';
import { registerReferencePage } from '../pages/docs-page.ts';
import { CONSOLE_DIR, REFERENCE_DIR } from '../paths.ts';
import type { Authority } from '../proxy/certificate-authority.ts';
import { createResults } from '../rendering/result-renderer.ts';
import { sendClientError } from './node-http.ts';
import { findForeignAuthority, normalizeRequestTarget } from './request-target.ts';
import { createResponseBatcher } from './response-batching.ts';

/** A head is small, however slow the line is. */
const MAX_HEAD_MS = 60_000;
/** Node looks this often for requests that take too long, or four times as often as they may. */
const MAX_CHECK_INTERVAL_MS = 30_000;

/** The whole HTTP side over an open core. Nothing listens yet; closing the app leaves the core open. */
const ADMIN_INTERNAL_ERROR = { error: ADMIN_ERRORS.INTERNAL_ERROR.example, code: 'INTERNAL_ERROR' };

export async function buildApp(
  core: Core,
  settings: HttpSettings,
  logger: Logger,
  authority: () => Promise<Authority>,
): Promise<App> {
  const requestTimeoutMs = settings.requestTimeoutSeconds * 1000;
  const app: App = Fastify({
    loggerInstance: createFastifyLogger(logger) as FastifyBaseLogger,
    logController: new RequestLog(logger),
    // One of its own for every request would only add a number that no other line has.
    childLoggerFactory: (parent) => parent,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: 'idle',
    // Fastify would answer with a body of its own while it closes.
    return503OnClosing: false,
    rewriteUrl: normalizeRequestTarget,
    // Keys are longer than the router expects of a parameter.
    routerOptions: { maxParamLength: 1000 },
    http: {
      // Checked below, because Node would answer without a body.
      requireHostHeader: false,
      maxHeaderSize: settings.headerLimitBytes,
      headersTimeout: Math.min(requestTimeoutMs, MAX_HEAD_MS),
      connectionsCheckingInterval: Math.min(requestTimeoutMs / 4, MAX_CHECK_INTERVAL_MS),
    },
    clientErrorHandler: sendClientError,
    frameworkErrors(error, request, reply) {
      // Fastify refuses these requests before its first hook.
      request.state = createRequestState();
      const send = request.url.startsWith('/__admin') ? sendAdminError : sendError;
      send(error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();

  const stopping = new AbortController();
  // As many listen to it as there are streams.
  setMaxListeners(0, stopping.signal);
  const journal = createJournal(core, settings.journalEntries);
  const results = createResults({ ...settings, stopping: stopping.signal });
  const { streamLimit, listenerLimit } = settings;
  const context: HttpContext = {
    ...{ core, settings, journal, results, stopping: stopping.signal },
    streamLimit: createConcurrencyLimit(
      streamLimit,
      'TOO_MANY_STREAMS',
      `${streamLimit} answers are under way already`,
    ),
    listenerLimit: createConcurrencyLimit(
      listenerLimit,
      'TOO_MANY_LISTENERS',
      `There can be ${listenerLimit} listeners and waits at once, and there are (--listener-limit).`,
    ),
  };

  registerRequestState(app);
  app.setValidatorCompiler(zodValidator);
  app.setErrorHandler(sendError);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', createJsonParser(settings.bodyLimitBytes));
  app.addHook('preClose', async () => {
    stopping.abort();
    // What is still being answered keeps its connection only until then.
    Object.assign(app.server, { keepAliveTimeout: 1, keepAliveTimeoutBuffer: 0 });
  });
  app.addHook('onRequest', (request, _reply, done) => {
    const foreignAuthority = findForeignAuthority(request.originalUrl, request.socket.localPort);
    if (foreignAuthority !== undefined) {
      return done(new EmulatorError('PROXY_REFUSED', `asked for ${foreignAuthority}`));
    }
    if (request.headers.host !== undefined || request.raw.httpVersion !== '1.1') return done();
    done(new EmulatorError('HOST_REQUIRED', 'an HTTP/1.1 request without Host'));
  });
  const responseBatcher = createResponseBatcher(core);
  // What is told must outlast a kill, so nothing leaves while something is written but not committed.
  app.addHook('onSend', (request, reply, payload, done) => {
    responseBatcher.flushBeforeHalfClose(request.raw.socket);
    if (!core.transactions.hasPendingBatch()) return responseBatcher.enqueue(() => done(null, payload));
    core.transactions.afterCommit((failure) => {
      if (failure === null || request.state.errorCode === null) return done(failure as null, payload);
      // What goes wrong while an error is told already, Fastify would tell in words of its own.
      request.log.error({ err: failure }, 'request failed');
      request.state.errorCode = 'INTERNAL_ERROR';
      reply.code(500);
      done(
        null,
        JSON.stringify(request.url.startsWith('/__admin') ? ADMIN_INTERNAL_ERROR : renderError('INTERNAL_ERROR').body),
      );
    });
  });
  rejectExpectations(app);

  app.get('/ca.pem', async (_request, reply) => {
    reply.type('application/x-pem-file');
    return (await authority()).certificate;
  });
  const documentedRoutes: DocumentedRoute[] = [];
  registerVendorDocument(app, context, FAMILIES, documentedRoutes);
  registerReferencePage(app, REFERENCE_DIR);
  registerConsolePage(app, CONSOLE_DIR);
  await app.register(async (admin: App) => registerAdmin(admin, context, FAMILIES));
  await app.register(async (resultScope: App) => registerResultRoutes(resultScope, context, FAMILIES));
  await app.register(async (vendor: App) => {
    const authenticate = createAuthenticate(context);
    await registerRateLimit(vendor, core);
    const countRequest = vendor.rateLimit();
    const notFound = createNotFoundHandler(vendor);
    vendor.addHook('onRequest', (request, reply, done) => {
      authenticate(request);
      if (!request.is404) return done();
      countRequest
        .call(vendor, request, reply)
        .then(() => notFound(request, reply))
        .catch(done);
    });
    // Without one of its own the context would not have its hooks called.
    vendor.setNotFoundHandler(notFound);
    registerApiHooks(vendor, context);
    vendor.addHook('onRoute', (route) => {
      if (route.config?.doc) documentedRoutes.push(route as DocumentedRoute);
    });
    registerFamilies(vendor, context);
  });
  await app.ready();
  return app;
}

/** Node answers an `Expect` it does not know without a body. */
function rejectExpectations(app: App): void {
  app.server.on('checkExpectation', (_request, response) => {
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
