import * as z from 'zod';
import { routeProvenance } from '../http/pipeline/route-docs.ts';
import { defineImageFamily } from './shared/image-task.ts';

/** Nano Banana 2. Source: vendor page "Nano Banana 2 Image Generation API"; error codes from public clients. */
export const nanoBanana2 = defineImageFamily({
  name: 'nano-banana-2',
  title: 'Nano Banana 2',
  path: '/api/nano-banana-2',
  provenance: routeProvenance('documented', { codes: 'observed' }),
  maxImages: 14,
  typicalSeconds: [10, 30],
  extraFields: { googleSearch: z.boolean().default(false) },
});
