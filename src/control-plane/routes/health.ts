import type { App, Emulator } from '../../http/context.ts';
import { Health, Ready, Stopping } from '../response-schemas.ts';

/** For whoever keeps the emulator running. */
export function registerHealth(app: App, { core, stopping }: Emulator): void {
  const health = {
    name: 'getHealth',
    tag: 'emulator',
    summary: 'It runs.',
    description: 'As long as it answers at all.',
    answers: { 200: Health },
    isOpen: true,
  } as const;
  app.get('/health', { config: { call: health } }, async () => ({ status: 'ok' }));

  const ready = {
    name: 'getReady',
    tag: 'emulator',
    summary: 'It takes requests.',
    description: '503 while it stops.',
    answers: { 200: Ready, 503: Stopping },
    isOpen: true,
  } as const;
  app.get('/ready', { config: { call: ready } }, async (_request, reply) => {
    const isReady = core.db.open && !stopping.aborted;
    if (!isReady) reply.code(503);
    return { status: isReady ? 'ready' : 'stopping' };
  });
}
