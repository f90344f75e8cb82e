import type { App, HttpContext } from '../../http/context.ts';
import { HealthResponse, ReadyResponse, StoppingResponse } from '../response-schemas.ts';

/** For whoever keeps the emulator running. */
export function registerHealth(app: App, { core, stopping }: HttpContext): void {
  const health = {
    name: 'getHealth',
    tag: 'emulator',
    summary: 'It runs.',
    description: 'As long as it answers at all.',
    responses: { 200: HealthResponse },
    isOpen: true,
  } as const;
  app.get('/health', { config: { operation: health } }, async () => ({ status: 'ok' }));

  const ready = {
    name: 'getReady',
    tag: 'emulator',
    summary: 'It takes requests.',
    description: '503 while it stops.',
    responses: { 200: ReadyResponse, 503: StoppingResponse },
    isOpen: true,
  } as const;
  app.get('/ready', { config: { operation: ready } }, async (_request, reply) => {
    const isReady = core.isOpen() && !stopping.aborted;
    if (!isReady) reply.code(503);
    return { status: isReady ? 'ready' : 'stopping' };
  });
}
