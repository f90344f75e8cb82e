import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';
import type { App, HttpContext } from '../http/context.ts';
import type { Family } from '../http/family.ts';
import { createJsonParser } from '../http/pipeline/body.ts';
import { AdminError } from './error-codes.ts';
import { createGuard, createReadOnlyGuard, sendAdminError } from './guard.ts';
import { type Operation, toRoute } from './operation.ts';
import { accountOperations } from './routes/accounts.ts';
import { activityOperations } from './routes/activity.ts';
import { clockOperations } from './routes/clock.ts';
import { eventOperations } from './routes/events.ts';
import { faultOperations } from './routes/faults.ts';
import { healthOperations } from './routes/health.ts';
import { journalOperations } from './routes/journal.ts';
import { ledgerOperations } from './routes/ledger.ts';
import { metricsOperations } from './routes/metrics.ts';
import { openApiOperations } from './routes/openapi.ts';
import { snapshotOperations } from './routes/snapshots.ts';
import { stateOperations } from './routes/state.ts';
import { summaryOperations } from './routes/summary.ts';
import { taskFileOperations } from './routes/task-files.ts';
import { taskOperations } from './routes/tasks.ts';
import { verdictOperations } from './routes/verdict.ts';

/**
 * Rejects requests for unknown paths of the control plane, behind the guard. `app` must be the context whose hooks run
 * for all unknown paths, and must not have other hooks yet. A not-found handler for the paths below `/__admin` would add
 * 70 routes instead: two for each HTTP method that Node knows.
 */
export function rejectUnknownOperations(app: App, { settings }: HttpContext): void {
  const guard = createGuard(settings);
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404 || !isControlPlanePath(request)) return done();
    guard(request)
      .then(() => {
        throw new AdminError('NOT_FOUND');
      })
      .catch((error) => sendAdminError(error, request, reply));
  });
}

/** Whether the path of a request is below `/__admin` once it is decoded, as the router does. */
const isControlPlanePath = ({ url }: FastifyRequest) => /^\/__admin(?:\/|$)/.test(decodeURI(url.split(/[?#]/, 1)[0]!));

/** Serves the control plane: health, metrics and its OpenAPI document to every caller, the rest behind the guard. */
export async function registerAdmin(app: App, context: HttpContext, families: readonly Family[]): Promise<void> {
  // In the order of the OpenAPI document.
  const operations: Operation[] = [
    ...healthOperations(context),
    ...metricsOperations(context),
    ...openApiOperations(context, () => operations),
    ...activityOperations(context),
    ...accountOperations(context),
    ...ledgerOperations(context),
    ...clockOperations(context),
    ...taskOperations(context, families),
    ...taskFileOperations(context, families),
    ...snapshotOperations(context, families),
    ...stateOperations(context, families),
    ...faultOperations(context, families),
    ...journalOperations(context),
    ...verdictOperations(context),
    ...summaryOperations(context),
    ...eventOperations(context),
  ];
  app.setErrorHandler(sendAdminError);
  await app.register(async (open) => {
    for (const operation of operations.filter(({ isOpen }) => isOpen)) open.route(toRoute(operation));
  });
  await app.register(
    async (guarded) => {
      guarded.addHook('onRequest', createGuard(context.settings));
      const { opened } = context.settings;
      if (opened) guarded.addHook('onRequest', createReadOnlyGuard(opened.path));
      // A request without a body means the same as one with an empty object.
      const parse = createJsonParser(context.settings.bodyLimitBytes, {});
      guarded.removeAllContentTypeParsers();
      guarded.addContentTypeParser('application/json', parse);
      // Many clients label an empty body as a form: `curl -d ''`, wget and Python's urllib.
      guarded.addContentTypeParser('*', async (request: FastifyRequest) => {
        if (request.headers['content-length'] === '0') return {};
        throw new EmulatorError(
          'UNSUPPORTED_MEDIA_TYPE',
          'send the body as JSON, with "Content-Type: application/json"',
        );
      });
      guarded.addHook('preValidation', async (request) => {
        if (request.body === undefined) request.body = {};
      });
      const guardedOperations = operations.filter(({ isOpen }) => !isOpen);
      for (const operation of guardedOperations.filter(({ isStreamedBody }) => !isStreamedBody)) {
        guarded.route(toRoute(operation));
      }
      // Content type parsers belong to a context, so these operations get one of their own.
      await guarded.register(async (streamed) => {
        streamed.removeContentTypeParser('application/json');
        streamed.addContentTypeParser(
          'application/json',
          async (_request: FastifyRequest, payload: Readable) => payload,
        );
        for (const operation of guardedOperations.filter(({ isStreamedBody }) => isStreamedBody)) {
          streamed.route(toRoute(operation));
        }
      });
    },
    { prefix: '/__admin' },
  );
}
