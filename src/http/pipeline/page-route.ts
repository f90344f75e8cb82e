import type { FastifyContextConfig, FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import type { App } from '../context.ts';
import type { ErrorTable } from './error-table.ts';

const GET_ONLY_ERRORS: ErrorTable = {
  METHOD_NOT_ALLOWED: { status: 405, error: 'Method not allowed. Use GET.' },
};

/**
 * Registers a route for GET and HEAD. It rejects other methods before the body is read, with 405 instead of 404. One
 * route serves all methods, because each takes time when an emulator starts.
 */
export function registerPageRoute(
  app: App,
  url: string,
  handler: (request: FastifyRequest, reply: FastifyReply) => unknown,
  { errors, ...config }: FastifyContextConfig = {},
): void {
  app.route({
    method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url,
    config: { ...config, errors: { ...errors, ...GET_ONLY_ERRORS } },
    onRequest(request, reply, done) {
      if (request.method === 'GET' || request.method === 'HEAD') return done();
      reply.header('allow', 'GET, HEAD');
      done(new EmulatorError('METHOD_NOT_ALLOWED', `${request.method} ${url} is not served`));
    },
    handler,
  });
}
