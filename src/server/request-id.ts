import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** The ids that are accepted from clients: valid in a header, and harmless in a log. */
const CLIENT_ID = /^[\x21-\x7e]{1,128}$/;

/** Differs in each process, so that ids are unique across restarts and behind a load balancer. */
const prefix = `${randomBytes(6).toString('hex')}-`;
let count = 0;

/** Creates an id that no other request has. */
export function createRequestId(): string {
  count += 1;
  return prefix + count;
}

/** Returns the id of a request: its header `x-request-id` if that is acceptable, otherwise a new one. */
export function getRequestId({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const id = headers['x-request-id'];
  return typeof id === 'string' && CLIENT_ID.test(id) ? id : createRequestId();
}
