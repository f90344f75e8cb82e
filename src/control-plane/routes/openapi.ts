import { z } from 'zod';
import { strict } from '../../http/account-profile.ts';
import type { HttpContext } from '../../http/context.ts';
import { getRequestOrigin } from '../../http/urls.ts';
import { cacheDocument } from '../../openapi/document-cache.ts';
import { defineOperation, type Operation } from '../operation.ts';

/** Serves the OpenAPI document of the control plane, which describes this operation as well. */
export const openApiOperations = ({ settings }: HttpContext, getOperations: () => Operation[]): Operation[] => {
  const getDocument = cacheDocument(async (url) => {
    // Loaded on demand: the document is rarely requested and would slow down the start.
    const { createControlDocument } = await import('../openapi-document.ts');
    return createControlDocument({ operations: getOperations(), version: settings.version, url });
  });
  return [
    defineOperation({
      method: 'GET',
      path: '/__admin/openapi.json',
      name: 'getOpenApi',
      tag: 'emulator',
      summary: 'Get this document',
      description: 'Generated from the schemas that validate the requests.',
      query: strict({}),
      responses: { 200: z.looseObject({ openapi: z.string() }) },
      isOpen: true,
      async handler(request, reply) {
        // Browser-based API tools read the document from other origins; it contains no secrets.
        reply.header('access-control-allow-origin', '*');
        return reply.type('application/json; charset=utf-8').send(await getDocument(getRequestOrigin(request)));
      },
    }),
  ];
};
