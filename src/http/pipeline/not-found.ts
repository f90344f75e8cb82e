import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import type { App } from '../context.ts';
import { getPathname } from '../urls.ts';

/** The vendor also has a hosted MCP server, whose clients should learn why there is none here. */
const MCP_PATH = /^\/mcp(?:\/|$)/;

/**
 * Creates the handler for requests that match no route of `app`, whose routes must be added later. It distinguishes
 * unknown paths from known paths that are requested with a method other than POST. Call it before the body is read: the
 * body has no effect on the error.
 * @throws NOT_FOUND when the path is unknown
 * @throws MCP_NOT_EMULATED when it is the path of the vendor's hosted MCP server
 * @throws METHOD_NOT_ALLOWED when the path exists for POST
 */
export function createNotFoundHandler(app: App) {
  // Fastify's `hasRoute` takes a millisecond for a long path.
  const postPaths = new Set<string>();
  app.addHook('onRoute', ({ method, url }) => {
    if (method === 'POST') postPaths.add(url);
  });
  return function notFound(request: FastifyRequest, reply: FastifyReply): never {
    const path = getPathname(request);
    if (postPaths.has(path)) {
      reply.header('allow', 'POST');
      throw new EmulatorError('METHOD_NOT_ALLOWED', `${request.method} ${path} is not served`);
    }
    throw new EmulatorError(MCP_PATH.test(path) ? 'MCP_NOT_EMULATED' : 'NOT_FOUND', `${path} is not served`);
  };
}
