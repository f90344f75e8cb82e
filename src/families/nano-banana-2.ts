import { z } from 'zod';
import { defineFamily } from '../http/family.ts';
import { priceList, type RouteProvenance } from '../http/pipeline/route-docs.ts';
import { buildResultUrls } from '../http/urls.ts';
import { submit } from './kit/task-requests.ts';
import {
  AcceptedImage,
  findPolledImage,
  IMAGE_PRICES,
  imageAcceptedResponse,
  imageBody,
  imageClientIds,
  imageErrors,
  imageFile,
  imageStatusResponse,
  imageStatusRoute,
  imageTemplate,
} from './shared/image-task.ts';

/** Nano Banana 2 image generation. Source: vendor page "Nano Banana 2 Image Generation API"; error codes from public clients. */
const FAMILY = 'nano-banana-2';
const PROVENANCE: RouteProvenance = {
  endpoint: 'documented',
  request: 'documented',
  responses: 'documented',
  codes: 'observed',
  prices: 'documented',
};
const MAX_IMAGES = 14;
const TEMPLATE = imageTemplate(10, 30);

export const GenerateBody = imageBody(MAX_IMAGES, { googleSearch: z.boolean().default(false) });

const FILES = { imageUrl: imageFile('nano-banana-2', 'Nano Banana 2') };

export const nanoBanana2 = defineFamily({
  name: FAMILY,
  title: 'Nano Banana 2',
  prices: IMAGE_PRICES,
  files: FILES,
  clientIds: imageClientIds,
  registerRoutes: (app, context, prices) => {
    const { settings } = context;

    app.post(
      '/api/nano-banana-2/generate',
      {
        schema: { body: GenerateBody },
        config: {
          kind: 'submit',
          errors: imageErrors(MAX_IMAGES),
          doc: {
            summary: 'Generate or edit an image',
            provenance: PROVENANCE,
            responses: [AcceptedImage],
            prices: { per: 'request', list: priceList(prices, 'imageQuality') },
          },
        },
      },
      async (request) => {
        const input = request.body;
        const order = { family: FAMILY, price: prices[input.imageQuality], input, template: TEMPLATE };
        const [task] = submit(context, request, [order]);
        return imageAcceptedResponse(task!);
      },
    );

    app.post('/api/nano-banana-2/check-status', imageStatusRoute(PROVENANCE), async (request, reply) => {
      const task = findPolledImage(context, request, FAMILY);
      return imageStatusResponse(context, request, reply, task, () => buildResultUrls(request, settings, FILES, task));
    });
  },
});
