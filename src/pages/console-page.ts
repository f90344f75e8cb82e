import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App } from '../http/context.ts';
import { getPathname } from '../http/urls.ts';
import { registerStaticPage } from './static-page.ts';

/**
 * The console shows data from clients, which must never run as code: scripts and styles only come from its own files,
 * and Trusted Types keep text from becoming markup. Media come from this origin or from blobs that the page created.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  'media-src blob:',
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
];

/** Serves the console at /console, from the build output in `dir`. It uses the control plane like any other client. */
export const registerConsolePage = (app: App, dir: string): void =>
  registerStaticPage(app, {
    path: '/console',
    dir,
    folder: 'assets/',
    // Vite's file names: a name and a hash of eight characters.
    filePattern: '\\w[\\w.-]*-[\\w-]{8}\\.(?:js|css|svg)',
    policy: POLICY,
    headers: {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    },
  });

/** Whether a browser requests the page at `/`, which the API does not have. Other clients do not accept HTML. */
export const isPageRequest = (request: FastifyRequest): boolean =>
  (request.method === 'GET' || request.method === 'HEAD') &&
  getPathname(request) === '/' &&
  request.headers.accept?.includes('text/html') === true;

/** Redirects to the console, by a relative URL because a balancer may serve the emulator below a prefix. */
export const redirectToConsole = (reply: FastifyReply): FastifyReply =>
  reply.header('vary', 'accept').redirect('console', 302);
