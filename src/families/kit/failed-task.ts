import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpSettings } from '../../http/context.ts';

/**
 * A poll tells of a failed task with the status that is set: Sora 2's sample body goes with 200, its table of codes says
 * 500.
 */
export function setFailedTaskStatus(settings: HttpSettings, request: FastifyRequest, reply: FastifyReply): void {
  reply.code(settings.failedTaskStatus);
  request.state.errorCode = 'GENERATION_FAILED';
}
