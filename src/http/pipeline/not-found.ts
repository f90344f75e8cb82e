import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import type { App } from '../context.ts';
import { getPathname } from '../path.ts';

/**
 * A path that exists for POST only is told apart from one that does not exist. To be told before the body is read: what
 * is in it does not matter.
 * @throws EmulatorError NOT_FOUND, METHOD_NOT_ALLOWED
 */
export function createNotFoundHandler(app: App) {
  return function notFound(request: FastifyRequest, reply: FastifyReply): never {
    const path = getPathname(request);
    if (app.hasRoute({ method: 'POST', url: path })) {
      reply.header('allow', 'POST');
      throw new EmulatorError('METHOD_NOT_ALLOWED', `${request.method} ${path} is not served`);
    }
    throw new EmulatorError('NOT_FOUND', `${path} is not served`);
  };
}
