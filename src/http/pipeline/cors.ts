import type { App } from '../context.ts';

const HEADERS = { 'access-control-allow-origin': '*', 'access-control-expose-headers': '*' };
/** `*` does not cover the header Authorization. */
const PREFLIGHT_HEADERS = {
  'access-control-allow-methods': 'POST',
  'access-control-allow-headers': '*, authorization',
  'access-control-max-age': '86400',
};

/**
 * Lets web pages of any origin use the API, and answers their preflight requests, which have no key. It is not known
 * whether the vendor's API does; its pages describe calls from servers.
 */
export function registerCors(api: App): void {
  api.addHook('onRequest', (request, reply, done) => {
    reply.headers(HEADERS);
    if (request.method !== 'OPTIONS') return done();
    reply.code(204).headers(PREFLIGHT_HEADERS).send();
  });
}
