import * as z from 'zod';
import type { HttpContext } from '../../http/context.ts';
import { defineOperation, type Operation } from '../operation.ts';

const Healthy = z.strictObject({ status: z.literal('ok') });
const Ready = z.strictObject({ status: z.literal('ready') });
const Stopping = z.strictObject({ status: z.literal('stopping') });

/** Liveness and readiness. */
export const healthOperations = ({ core, stopping }: HttpContext): Operation[] => [
  defineOperation({
    method: 'GET',
    path: '/health',
    name: 'getHealth',
    tag: 'emulator',
    summary: 'Check liveness',
    description: 'Responds as long as the process serves requests.',
    responses: { 200: Healthy },
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
    responses: { 200: Ready, 503: Stopping },
    isOpen: true,
    async handler(_request, reply) {
      const isReady = core.isOpen() && !stopping.aborted;
      if (!isReady) reply.code(503);
      return { status: isReady ? 'ready' : 'stopping' };
    },
  }),
];
