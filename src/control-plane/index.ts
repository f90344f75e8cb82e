import { EmulatorError } from '../core/errors.ts';
import type { App, Emulator } from '../http/context.ts';
import type { Family } from '../http/family.ts';
import { jsonParser } from '../http/pipeline/body.ts';
import { answerAdminError, createGuard } from './guard.ts';
import type { DocumentedCall } from './openapi-document.ts';
import { registerAccounts } from './routes/accounts.ts';
import { registerClock } from './routes/clock.ts';
import { registerEvents } from './routes/events.ts';
import { registerFaults } from './routes/faults.ts';
import { registerHealth } from './routes/health.ts';
import { registerRequests } from './routes/journal.ts';
import { registerLedger } from './routes/ledger.ts';
import { registerMetrics } from './routes/metrics.ts';
import { registerOpenApi } from './routes/openapi.ts';
import { registerStates } from './routes/snapshots.ts';
import { registerTaskFiles } from './routes/task-files.ts';
import { registerTasks } from './routes/tasks.ts';
import { strict } from './schemas.ts';

/** What is served beside the vendor's API: health for everybody, the rest behind the guard. */
export async function registerAdmin(
  app: App,
  emulator: Emulator,
  families: readonly Family[],
): Promise<void> {
  app.setErrorHandler(answerAdminError);
  const calls: DocumentedCall[] = [];
  app.addHook('onRoute', (route) => {
    if (route.config?.call && route.method !== 'HEAD') calls.push(route as never);
  });

  registerHealth(app, emulator);
  registerMetrics(app, emulator);
  registerOpenApi(app, emulator, calls);

  await app.register(
    async (admin) => {
      admin.addHook('onRequest', createGuard(emulator.settings));
      admin.addHook('onRequest', async (request) => {
        if (request.is404)
          throw new EmulatorError('NOT_FOUND', 'There is no such call of the control plane.');
      });
      // Without one of its own the context would not have its hooks called.
      admin.setNotFoundHandler(() => {});
      // A call without a body says nothing, and that can be enough.
      const parse = jsonParser(emulator.settings.bodyLimitBytes, {});
      admin.removeAllContentTypeParsers();
      admin.addContentTypeParser('application/json', parse);
      admin.addHook('preValidation', async (request) => {
        if (request.body === undefined) request.body = {};
      });
      // Whoever sends a field that means nothing here may think that it does: DELETE …/faults?id=3 would clear them all.
      admin.addHook('onRoute', (route) => {
        const isRead = route.method === 'GET' || route.method === 'HEAD';
        route.schema = { querystring: strict({}), ...(!isRead && { body: strict({}) }), ...route.schema };
      });
      registerAccounts(admin as never, emulator);
      registerLedger(admin as never, emulator);
      registerClock(admin as never, emulator);
      registerTasks(admin as never, emulator, families);
      registerTaskFiles(admin as never, emulator, families);
      registerStates(admin as never, emulator);
      registerFaults(admin as never, emulator, families);
      registerRequests(admin as never, emulator);
      registerEvents(admin as never, emulator);
    },
    { prefix: '/__admin' },
  );
}
