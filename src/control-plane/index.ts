import { EmulatorError } from '../core/errors.ts';
import type { App, HttpContext } from '../http/context.ts';
import type { Family } from '../http/family.ts';
import { createJsonParser } from '../http/pipeline/body.ts';
import { createGuard, sendAdminError } from './guard.ts';
import type { DocumentedOperation } from './openapi-document.ts';
import { registerAccounts } from './routes/accounts.ts';
import { registerClock } from './routes/clock.ts';
import { registerEvents } from './routes/events.ts';
import { registerFaults } from './routes/faults.ts';
import { registerHealth } from './routes/health.ts';
import { registerRequests } from './routes/journal.ts';
import { registerLedger } from './routes/ledger.ts';
import { registerMetrics } from './routes/metrics.ts';
import { registerControlDocument } from './routes/openapi.ts';
import { registerSnapshots } from './routes/snapshots.ts';
import { registerTaskFiles } from './routes/task-files.ts';
import { registerTasks } from './routes/tasks.ts';
import { strict } from './schemas.ts';

/** What is served beside the vendor's API: health for everybody, the rest behind the guard. */
export async function registerAdmin(app: App, context: HttpContext, families: readonly Family[]): Promise<void> {
  app.setErrorHandler(sendAdminError);
  const operations: DocumentedOperation[] = [];
  app.addHook('onRoute', (route) => {
    if (route.config?.operation && route.method !== 'HEAD') operations.push(route as never);
  });

  registerHealth(app, context);
  registerMetrics(app, context);
  registerControlDocument(app, context, operations);

  await app.register(
    async (admin) => {
      admin.addHook('onRequest', createGuard(context.settings));
      admin.addHook('onRequest', async (request) => {
        if (request.is404) throw new EmulatorError('NOT_FOUND', 'There is no such call of the control plane.');
      });
      // Without one of its own the context would not have its hooks called.
      admin.setNotFoundHandler(() => {});
      // A call without a body says nothing, and that can be enough.
      const parse = createJsonParser(context.settings.bodyLimitBytes, {});
      admin.removeAllContentTypeParsers();
      admin.addContentTypeParser('application/json', parse);
      admin.addHook('preValidation', async (request) => {
        if (request.body === undefined) request.body = {};
      });
      // Whoever sends a field that means nothing here may think that it does: DELETE …/faults?id=3 would clear them all.
      admin.addHook('onRoute', (route) => {
        const isReadMethod = route.method === 'GET' || route.method === 'HEAD';
        route.schema = {
          querystring: strict({}),
          ...(!isReadMethod && { body: strict({}) }),
          ...route.schema,
        };
      });
      registerAccounts(admin as never, context);
      registerLedger(admin as never, context);
      registerClock(admin as never, context);
      registerTasks(admin as never, context, families);
      registerTaskFiles(admin as never, context, families);
      registerSnapshots(admin as never, context);
      registerFaults(admin as never, context, families);
      registerRequests(admin as never, context);
      registerEvents(admin as never, context);
    },
    { prefix: '/__admin' },
  );
}
