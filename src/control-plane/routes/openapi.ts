import * as z from 'zod';
import { lazy } from '../../core/file-descriptors.ts';
import type { HttpContext } from '../../http/context.ts';
import { getRequestOrigin } from '../../http/urls.ts';
import { cacheDocument } from '../../openapi/document-cache.ts';
import { defineOperation, NO_FIELDS, type Operation } from '../operation.ts';

const loadModule = lazy(() => import('../openapi-document.ts'));

const OpenApiDocument = z.looseObject({ openapi: z.string() });

/** Serves the OpenAPI document of the control plane, which describes this operation as well. */
export const openApiOperations = ({ settings }: HttpContext, getOperations: () => Operation[]): Operation[] => {
  const getDocument = cacheDocument(async (url) => {
    const { createControlDocument } = await loadModule();
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
      query: NO_FIELDS,
      responses: { 200: OpenApiDocument },
      codes: ['OUT_OF_MEMORY', 'TOO_MANY_OPEN_FILES'],
      isOpen: true,
      async handler(request, reply) {
        // Browser-based API tools read the document from other origins; it contains no secrets.
        reply.header('access-control-allow-origin', '*');
        return reply.type('application/json; charset=utf-8').send(await getDocument(getRequestOrigin(request)));
      },
    }),
  ];
};
