import type { FastifyReply } from 'fastify';
import { type ErrorTable, renderError } from '../pipeline/error-table.ts';
import { setLimitExceededHeaders } from '../pipeline/rate-limit.ts';
import type { InjectedError } from './pending-faults.ts';

/** Gives a response the headers that it has when the route itself sends the code. */
const SET_HEADERS: Readonly<Record<string, (reply: FastifyReply) => void>> = {
  API_KEY_RATE_LIMIT_EXCEEDED: setLimitExceededHeaders,
  METHOD_NOT_ALLOWED: (reply) => void reply.header('allow', 'POST'),
};

/**
 * Renders an injected error and sets the headers that belong to its code. The code may be missing from the route's own
 * table; `documentedErrors` has the codes of all routes.
 */
export function renderInjectedError(
  { code, status, facts }: InjectedError,
  reply: FastifyReply,
  errors: ErrorTable = {},
  documentedErrors: ErrorTable = {},
) {
  SET_HEADERS[code]?.(reply);
  const rendered = renderError(code, code in errors ? errors : documentedErrors, facts);
  return { ...rendered, status: status ?? rendered.status };
}
