import type { App, Emulator } from '../http/context.ts';
import { registerAccounts } from './accounts.ts';
import { answerAdminError, createGuard } from './guard.ts';

/** What is served beside the vendor's API: health for everybody, the rest behind the guard. */
export async function registerAdmin(app: App, emulator: Emulator): Promise<void> {
  app.get('/health', async () => ({ status: 'ok' }));
  app.get('/ready', async (_request, reply) => {
    const ready = emulator.core.db.open && !emulator.stopping.aborted;
    if (!ready) reply.code(503);
    return { status: ready ? 'ready' : 'stopping' };
  });

  await app.register(
    async (admin) => {
      admin.setErrorHandler(answerAdminError);
      admin.addHook('onRequest', createGuard(emulator.settings));
      admin.setNotFoundHandler((_request, reply) => {
        reply.code(404).send({ error: 'There is no such call of the control plane.', code: 'NOT_FOUND' });
      });
      registerAccounts(admin as never, emulator);
    },
    { prefix: '/__admin' },
  );
}
