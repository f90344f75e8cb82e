import type { FastifyRequest } from 'fastify';

/** Without the query: clients put secrets there. */
export function getPathname(request: FastifyRequest): string {
  const end = request.url.indexOf('?');
  return end === -1 ? request.url : request.url.slice(0, end);
}
