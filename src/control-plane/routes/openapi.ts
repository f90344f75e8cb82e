import type { App, HttpContext } from '../../http/context.ts';
import { getRequestOrigin } from '../../http/urls.ts';
import type { DocumentedOperation } from '../openapi-document.ts';
import { OpenApiDocument } from '../response-schemas.ts';
import { strict } from '../schemas.ts';

/** The control plane as a file that other tools read. `calls` may still be growing. */
export function registerControlDocument(
  app: App,
  { settings }: HttpContext,
  operations: readonly DocumentedOperation[],
): void {
  const operation = {
    name: 'getOpenApi',
    tag: 'emulator',
    summary: 'This document.',
    description: 'Made of the schemas that validate the calls.',
    responses: { 200: OpenApiDocument },
    isOpen: true,
  } as const;
  const options = { schema: { querystring: strict({}) }, config: { operation } };
  app.get('/__admin/openapi.json', options, async (request, reply) => {
    // Few ask for it, and a start should not wait for it.
    const { createControlDocument } = await import('../openapi-document.ts');
    // Editors in a browser read it from other hosts, and it holds no secret.
    reply.header('access-control-allow-origin', '*');
    return createControlDocument({ operations, version: settings.version, url: getRequestOrigin(request) });
  });
}
