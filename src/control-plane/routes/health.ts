import type { HttpContext } from '../../http/context.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { HealthResponse, ReadyResponse, StoppingResponse } from '../response-schemas.ts';

/** Liveness and readiness. */
export const healthOperations = ({ core, stopping }: HttpContext): Operation[] => [
  defineOperation({
    method: 'GET',
    path: '/health',
    name: 'getHealth',
    tag: 'emulator',
    summary: 'Check liveness',
    description: 'Responds as long as the process serves requests.',
    responses: { 200: HealthResponse },
    isOpen: true,
    handler: async () => ({ status: 'ok' }),
  }),

  defineOperation({
    method: 'GET',
    path: '/ready',
    name: 'getReady',
    tag: 'emulator',
    summary: 'Check readiness',
    description: '503 while the emulator is stopping.',
    responses: { 200: ReadyResponse, 503: StoppingResponse },
    isOpen: true,
    async handler(_request, reply) {
      const isReady = core.isOpen() && !stopping.aborted;
      if (!isReady) reply.code(503);
      return { status: isReady ? 'ready' : 'stopping' };
    },
  }),
];
