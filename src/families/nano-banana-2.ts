import { z } from 'zod';
import { family } from '../http/family.ts';
import { priceList, type Sources } from '../http/pipeline/route-docs.ts';
import { mediaUrls } from '../http/urls.ts';
import { submit } from './kit/task-requests.ts';
import {
  AcceptedImage,
  acceptedImage,
  checkImage,
  IMAGE_PRICES,
  imageBody,
  imageFile,
  imageNames,
  imageProblems,
  imageTemplate,
  pollImage,
  tellImage,
} from './shared/image-task.ts';

/** Nano Banana 2 image generation. Source: vendor page "Nano Banana 2 Image Generation API"; error codes from public clients. */
const FAMILY = 'nano-banana-2';
const SOURCES: Sources = { endpoint: 'D', request: 'D', answers: 'D', codes: 'C', prices: 'D' };
const MOST_IMAGES = 14;
const TEMPLATE = imageTemplate(10, 30);

export const GenerateBody = imageBody(MOST_IMAGES, { googleSearch: z.boolean().default(false) });

const FILES = { imageUrl: imageFile('nano-banana-2', 'Nano Banana 2') };

export const nanoBanana2 = family({
  name: FAMILY,
  title: 'Nano Banana 2',
  prices: IMAGE_PRICES,
  files: FILES,
  names: imageNames,
  routes: (app, emulator, prices) => {
    const { settings } = emulator;

    app.post(
      '/api/nano-banana-2/generate',
      {
        schema: { body: GenerateBody },
        config: {
          problems: imageProblems(MOST_IMAGES),
          doc: {
            summary: 'Generate or edit an image',
            sources: SOURCES,
            answers: [AcceptedImage],
            prices: { per: 'request', list: priceList(prices, 'imageQuality') },
          },
        },
      },
      async (request) => {
        const input = request.body;
        const order = { family: FAMILY, price: prices[input.imageQuality], input, template: TEMPLATE };
        const [task] = submit(emulator, request, [order]);
        return acceptedImage(task!);
      },
    );

    app.post('/api/nano-banana-2/check-status', checkImage(SOURCES), async (request, reply) => {
      const task = pollImage(emulator, request, FAMILY);
      return tellImage(emulator, request, reply, task, () => mediaUrls(request, settings, FILES, task));
    });
  },
});
