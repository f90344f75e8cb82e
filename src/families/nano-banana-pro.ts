import { routeProvenance } from '../http/pipeline/route-docs.ts';
import { defineImageFamily } from './shared/image-task.ts';

/** Nano Banana Pro. The vendor only names the API; everything else is known from public clients. */
export const nanoBananaPro = defineImageFamily({
  name: 'nano-banana-pro',
  title: 'Nano Banana Pro',
  path: '/api/nano-banana-pro',
  provenance: routeProvenance('observed'),
  maxImages: 8,
  typicalSeconds: [30, 300],
});
