import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EmulatorError } from '../core/errors.ts';
import type { App } from './context.ts';
import type { Problems } from './errors.ts';

/** Scalar brings its styles in elements of its own; all else comes from here, and goes nowhere else. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');
const SAFE = { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' };

const PROBLEMS: Problems = {
  SERVICE_UNAVAILABLE: {
    status: 503,
    error: 'This page is not built yet: run "npm run build" and load it again.',
  },
};

/** A page to read the API and the control plane on, and to try them, from what the build has put in `dir`. */
export function registerReferencePage(app: App, dir: string): void {
  /** @throws EmulatorError with this code */
  const read = (name: string, codeIfMissing: string) =>
    readFile(join(dir, name)).catch((error: Error) => {
      throw new EmulatorError(codeIfMissing, error.message);
    });

  app.get('/docs', { config: { problems: PROBLEMS } }, async (_request, reply) => {
    const page = await read('page.html', 'SERVICE_UNAVAILABLE');
    reply.headers({ ...SAFE, 'content-security-policy': POLICY, 'cache-control': 'no-cache' });
    return reply.type('text/html; charset=utf-8').send(page);
  });

  // The page's addresses are relative.
  app.get('/docs/', async (_request, reply) => reply.redirect('../docs', 308));

  app.get('/docs/:script(^reference-[0-9a-f]{16}\\.js$)', async (request, reply) => {
    const { script } = request.params as { script: string };
    const packed = await read(`${script}.gz`, 'NOT_FOUND');
    // Few ask for it, and a start should not wait for it.
    const [{ default: Negotiator }, { gunzip }] = await Promise.all([
      import('negotiator'),
      import('node:zlib'),
    ]);
    reply.headers({
      ...SAFE,
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
    });
    if (new Negotiator(request).encoding(['gzip', 'identity']) !== 'gzip') return promisify(gunzip)(packed);
    return reply.header('content-encoding', 'gzip').send(packed);
  });
}
