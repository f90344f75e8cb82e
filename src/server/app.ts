import { setMaxListeners } from 'node:events';
import Fastify, { type FastifyBaseLogger } from 'fastify';
import type { Logger } from 'pino';
import { PROBLEMS } from '../control-plane/error-codes.ts';
import { answerAdminError } from '../control-plane/guard.ts';
import { registerAdmin } from '../control-plane/index.ts';
import type { Core } from '../core/core.ts';
import { EmulatorError } from '../core/errors.ts';
import { FAMILIES, registerApis } from '../families/index.ts';
import type { App, Emulator, WireSettings } from '../http/context.ts';
import { createJournal } from '../http/journal/journal.ts';
import { registerObservers } from '../http/pipeline/api-hooks.ts';
import { createAuthenticate } from '../http/pipeline/auth.ts';
import { jsonParser } from '../http/pipeline/body.ts';
import { createRoom } from '../http/pipeline/concurrency-limit.ts';
import { answerClientError, answerError, tell } from '../http/pipeline/errors.ts';
import { createNotFound } from '../http/pipeline/not-found.ts';
import { registerRateLimit } from '../http/pipeline/rate-limit.ts';
import { fastifyLogger, RequestLog } from '../http/pipeline/request-log.ts';
import { type ZodTypeProvider, zodValidator } from '../http/pipeline/validation.ts';
import { registerMedia } from '../http/results/routes.ts';
import { registerOpenApi } from '../openapi/routes.ts';
import type { DocumentedRoute } from '../openapi/vendor-document.ts';
import { registerConsolePage } from '../pages/console-page.ts';
import { registerReferencePage } from '../pages/docs-page.ts';
import { CONSOLE_DIR, REFERENCE_DIR } from '../paths.ts';
import type { Authority } from '../proxy/certificate-authority.ts';
import { createResults } from '../rendering/result-renderer.ts';
import { foreignHostOf, rewriteTarget } from './request-target.ts';
import { createTogether } from './response-batching.ts';

/** A head is small, however slow the line is. */
const MOST_HEAD_MS = 60_000;
/** Node looks this often for requests that take too long, or four times as often as they may. */
const MOST_CHECK_MS = 30_000;

/** The whole HTTP side over an open core. Nothing listens yet; closing the app leaves the core open. */
const INTERNAL = { error: PROBLEMS.INTERNAL_ERROR.example, code: 'INTERNAL_ERROR' };

export async function buildApp(
  core: Core,
  settings: WireSettings,
  logger: Logger,
  authority: () => Promise<Authority>,
): Promise<App> {
  const requestTimeoutMs = settings.requestTimeoutSeconds * 1000;
  const app = Fastify({
    loggerInstance: fastifyLogger(logger) as FastifyBaseLogger,
    logController: new RequestLog(logger),
    // One of its own for every request would only add a number that no other line has.
    childLoggerFactory: (parent) => parent,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: 'idle',
    // Fastify would answer with a body of its own while it closes.
    return503OnClosing: false,
    rewriteUrl: rewriteTarget,
    // Keys are longer than the router expects of a parameter.
    routerOptions: { maxParamLength: 1000 },
    http: {
      // Checked below, because Node would answer without a body.
      requireHostHeader: false,
      maxHeaderSize: settings.headerLimitBytes,
      headersTimeout: Math.min(requestTimeoutMs, MOST_HEAD_MS),
      connectionsCheckingInterval: Math.min(requestTimeoutMs / 4, MOST_CHECK_MS),
    },
    clientErrorHandler: answerClientError,
    frameworkErrors(error, request, reply) {
      const answer = request.url.startsWith('/__admin') ? answerAdminError : answerError;
      answer(error, request, reply as never);
    },
  }).withTypeProvider<ZodTypeProvider>() as unknown as App;

  const stopping = new AbortController();
  // As many listen to it as there are streams.
  setMaxListeners(0, stopping.signal);
  const journal = createJournal(core, settings.journalEntries);
  const results = createResults({ ...settings, stopping: stopping.signal });
  const { streamLimit, listenerLimit } = settings;
  const emulator: Emulator = {
    ...{ core, settings, journal, results, stopping: stopping.signal },
    streams: createRoom(streamLimit, 'TOO_MANY_STREAMS', `${streamLimit} answers are under way already`),
    listeners: createRoom(
      listenerLimit,
      'TOO_MANY_LISTENERS',
      `There can be ${listenerLimit} listeners and waits at once, and there are (--listener-limit).`,
    ),
  };

  app.decorateRequest('account', null);
  app.decorateRequest('errorCode', null);
  app.decorateRequest('reason', null);
  app.decorateRequest('bodyText', '');
  app.decorateRequest('sent', null);
  app.decorateRequest('entry', null);
  app.decorateRequest('trouble', null);
  app.setValidatorCompiler(zodValidator);
  app.setErrorHandler(answerError);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', jsonParser(settings.bodyLimitBytes));
  app.addHook('preClose', async () => {
    stopping.abort();
    // What is still being answered keeps its connection only until then.
    Object.assign(app.server, { keepAliveTimeout: 1, keepAliveTimeoutBuffer: 0 });
  });
  app.addHook('onRequest', (request, _reply, done) => {
    const foreignHost = foreignHostOf(request.originalUrl, request.socket.localPort);
    if (foreignHost !== undefined) {
      return done(new EmulatorError('PROXY_REFUSED', `asked for ${foreignHost}`));
    }
    if (request.headers.host !== undefined || request.raw.httpVersion !== '1.1') return done();
    done(new EmulatorError('HOST_REQUIRED', 'an HTTP/1.1 request without Host'));
  });
  const together = createTogether(core);
  // What is told must outlast a kill, so nothing leaves while something is written but not committed.
  app.addHook('onSend', (request, reply, payload, done) => {
    together.watch(request.raw.socket);
    if (!core.transactions.isOpen()) return together.leave(() => done(null, payload));
    core.transactions.whenCommitted((failure) => {
      if (failure === null || request.errorCode === null) return done(failure as null, payload);
      // What goes wrong while an error is told already, Fastify would tell in words of its own.
      request.log.error({ err: failure }, 'request failed');
      request.errorCode = 'INTERNAL_ERROR';
      reply.code(500);
      done(null, JSON.stringify(request.url.startsWith('/__admin') ? INTERNAL : tell('INTERNAL_ERROR').body));
    });
  });
  answerExpectations(app);

  app.get('/ca.pem', async (_request, reply) => {
    reply.type('application/x-pem-file');
    return (await authority()).certificate;
  });
  const documented: DocumentedRoute[] = [];
  registerOpenApi(app, emulator, FAMILIES, documented);
  registerReferencePage(app, REFERENCE_DIR);
  registerConsolePage(app, CONSOLE_DIR);
  await app.register(async (admin) => registerAdmin(admin as never, emulator, FAMILIES));
  await app.register(async (media) => registerMedia(media as never, emulator, FAMILIES));
  await app.register(async (vendor) => {
    const authenticate = createAuthenticate(emulator);
    await registerRateLimit(vendor as never, core);
    const count = vendor.rateLimit();
    const notFound = createNotFound(vendor as never);
    vendor.addHook('onRequest', (request, reply, done) => {
      authenticate(request);
      if (!request.is404) return done();
      count
        .call(vendor as never, request, reply)
        .then(() => notFound(request, reply))
        .catch(done);
    });
    // Without one of its own the context would not have its hooks called.
    vendor.setNotFoundHandler(notFound);
    registerObservers(vendor as never, emulator);
    vendor.addHook('onRoute', (route) => {
      if (route.config?.doc) documented.push(route as never);
    });
    registerApis(vendor as never, emulator);
  });
  await app.ready();
  return app;
}

/** Node answers an `Expect` it does not know without a body. */
function answerExpectations(app: App): void {
  app.server.on('checkExpectation', (_request, response) => {
    const { status, body } = tell('EXPECTATION_FAILED');
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
