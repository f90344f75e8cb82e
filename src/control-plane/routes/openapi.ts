import type { App, Emulator } from '../../http/context.ts';
import { originOf } from '../../http/urls.ts';
import type { DocumentedCall } from '../openapi-document.ts';
import { OpenApi } from '../response-schemas.ts';
import { strict } from '../schemas.ts';

/** The control plane as a file that other tools read. `calls` may still be growing. */
export function registerOpenApi(app: App, { settings }: Emulator, calls: readonly DocumentedCall[]): void {
  const call = {
    name: 'getOpenApi',
    tag: 'emulator',
    summary: 'This document.',
    description: 'Made of the schemas that validate the calls.',
    answers: { 200: OpenApi },
    isOpen: true,
  } as const;
  const options = { schema: { querystring: strict({}) }, config: { call } };
  app.get('/__admin/openapi.json', options, async (request, reply) => {
    // Few ask for it, and a start should not wait for it.
    const { controlDocument } = await import('../openapi-document.ts');
    // Editors in a browser read it from other hosts, and it holds no secret.
    reply.header('access-control-allow-origin', '*');
    return controlDocument({ calls, version: settings.version, url: originOf(request) });
  });
}
