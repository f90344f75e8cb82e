import { join } from 'node:path';
import type { App, HttpContext } from '../http/context.ts';
import type { Family } from '../http/family.ts';
import { rejectWriteMethods } from '../http/pipeline/not-found.ts';
import { getRequestOrigin } from '../http/urls.ts';
import type { DocumentedRoute } from './vendor-document.ts';

/** The contract as a file that other tools read. `routes` may still be growing. */
export function registerVendorDocument(
  app: App,
  { settings }: HttpContext,
  families: readonly Family[],
  routes: readonly DocumentedRoute[],
): void {
  app.get('/openapi.json', async (request, reply) => {
    // Few ask for it, and a start should not wait for it.
    const [{ createVendorDocument }, { readSamples }] = await Promise.all([
      import('./vendor-document.ts'),
      import('./wire-samples.ts'),
    ]);
    const samples = readSamples(join(settings.fixturesDir, 'wire'));
    const { version } = settings;
    // Editors in a browser read it from other hosts, and it holds no secret.
    reply.header('access-control-allow-origin', '*');
    return createVendorDocument({ routes, families, samples, version, url: getRequestOrigin(request) });
  });
  rejectWriteMethods(app, '/openapi.json');
}
