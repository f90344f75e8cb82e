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

/** Nano Banana Pro image generation. The vendor names the API; everything else is known from public clients. */
const FAMILY = 'nano-banana-pro';
const PROVENANCE: RouteProvenance = {
  endpoint: 'observed',
  request: 'observed',
  responses: 'observed',
  codes: 'observed',
  prices: 'observed',
};
const MAX_IMAGES = 8;
const TEMPLATE = imageTemplate(30, 300);

export const GenerateBody = imageBody(MAX_IMAGES, {});

const FILES = { imageUrl: imageFile('nano-banana-pro', 'Nano Banana Pro') };

export const nanoBananaPro = defineFamily({
  name: FAMILY,
  title: 'Nano Banana Pro',
  prices: IMAGE_PRICES,
  files: FILES,
  clientIds: imageClientIds,
  registerRoutes: (app, context, prices) => {
    const { settings } = context;

    app.post(
      '/api/nano-banana-pro/generate',
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

    app.post('/api/nano-banana-pro/check-status', imageStatusRoute(PROVENANCE), async (request, reply) => {
      const task = findPolledImage(context, request, FAMILY);
      return imageStatusResponse(context, request, reply, task, () => buildResultUrls(request, settings, FILES, task));
    });
  },
});
