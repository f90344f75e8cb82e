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

/** Nano Banana Pro image generation. The vendor names the API; everything else is known from public clients. */
const FAMILY = 'nano-banana-pro';
const SOURCES: Sources = { endpoint: 'C', request: 'C', answers: 'C', codes: 'C', prices: 'C' };
const MOST_IMAGES = 8;
const TEMPLATE = imageTemplate(30, 300);

export const GenerateBody = imageBody(MOST_IMAGES, {});

const FILES = { imageUrl: imageFile('nano-banana-pro', 'Nano Banana Pro') };

export const nanoBananaPro = family({
  name: FAMILY,
  title: 'Nano Banana Pro',
  prices: IMAGE_PRICES,
  files: FILES,
  names: imageNames,
  routes: (app, emulator, prices) => {
    const { settings } = emulator;

    app.post(
      '/api/nano-banana-pro/generate',
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

    app.post('/api/nano-banana-pro/check-status', checkImage(SOURCES), async (request, reply) => {
      const task = pollImage(emulator, request, FAMILY);
      return tellImage(emulator, request, reply, task, () => mediaUrls(request, settings, FILES, task));
    });
  },
});
