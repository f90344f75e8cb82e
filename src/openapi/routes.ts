import { join } from 'node:path';
import { lazy } from '../core/file-descriptors.ts';
import type { App, HttpContext } from '../http/context.ts';
import type { Family } from '../http/family.ts';
import { registerPageRoute } from '../http/pipeline/page-route.ts';
import { getRequestOrigin } from '../http/urls.ts';
import { cacheDocument } from './document-cache.ts';

const loadModules = lazy(() => Promise.all([import('./vendor-document.ts'), import('./wire-samples.ts')]));

/** Serves the vendor API's contract as /openapi.json. */
export function registerVendorDocument(app: App, { settings }: HttpContext, families: readonly Family[]): void {
  const getDocument = cacheDocument(async (url) => {
    const [{ createVendorDocument }, { readSamples }] = await loadModules();
    const samples = readSamples(join(settings.fixturesDir, 'wire'));
    const { version, priceOverrides, textLimitCharacters: maxTextLength } = settings;
    return createVendorDocument({ families, priceOverrides, samples, version, maxTextLength, url });
  });
  registerPageRoute(app, '/openapi.json', async (request, reply) => {
    // Lets editors in browsers load it from other origins; it does not hold secrets.
    reply.header('access-control-allow-origin', '*');
    return reply.type('application/json; charset=utf-8').send(await getDocument(getRequestOrigin(request)));
  });
}
