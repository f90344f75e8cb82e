import type { FastifyRequest } from 'fastify';

/** Without the query: clients put secrets there. */
export function pathOf(request: FastifyRequest): string {
  const end = request.url.indexOf('?');
  return end === -1 ? request.url : request.url.slice(0, end);
}
