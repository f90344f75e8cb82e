import { EmulatorError } from '../../core/errors.ts';
import type { App } from '../context.ts';
import type { ErrorTable } from './error-table.ts';

const ERRORS: ErrorTable = {
  METHOD_NOT_ALLOWED: { status: 405, error: 'Method not allowed. Use GET.' },
};

/** Of a path that is for reading: whatever else is asked of it is refused, before a body is read, and not taken for an unknown path. */
export function rejectWriteMethods(app: App, url: string): void {
  app.route({
    method: ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url,
    config: { errors: ERRORS },
    onRequest(request, reply, done) {
      reply.header('allow', 'GET, HEAD');
      done(new EmulatorError('METHOD_NOT_ALLOWED', `${request.method} of ${url} is not served`));
    },
    handler() {},
  });
}
