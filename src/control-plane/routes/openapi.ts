import { z } from 'zod';
import { strict } from '../../http/account-profile.ts';
import type { HttpContext } from '../../http/context.ts';
import { getRequestOrigin } from '../../http/urls.ts';
import { defineOperation, type Operation } from '../operation.ts';

/** Serves the OpenAPI document of the control plane, which describes this operation as well. */
export const openApiOperations = ({ settings }: HttpContext, getOperations: () => Operation[]): Operation[] => [
  defineOperation({
    method: 'GET',
    path: '/__admin/openapi.json',
    name: 'getOpenApi',
    tag: 'emulator',
    summary: 'Get this document',
    description: 'Generated from the schemas that validate the requests.',
    query: strict({}),
    responses: { 200: z.looseObject({ openapi: z.string() }) },
    codes: ['OUT_OF_MEMORY'],
    isOpen: true,
    async handler(request, reply) {
      // Loaded on demand: the document is rarely requested and would slow down the start.
      const { createControlDocument } = await import('../openapi-document.ts');
      // Browser-based API tools read the document from other origins; it contains no secrets.
      reply.header('access-control-allow-origin', '*');
      const url = getRequestOrigin(request);
      return createControlDocument({ operations: getOperations(), version: settings.version, url });
    },
  }),
];
