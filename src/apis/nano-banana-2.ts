import { z } from 'zod';
import { family } from '../http/family.ts';
import { submit } from '../http/tasks.ts';
import { mediaUrls } from '../http/urls.ts';
import {
  acceptedImage,
  CHECK_IMAGE,
  checkInputImages,
  IMAGE_FIELDS,
  IMAGE_PRICES,
  imageFile,
  imageNames,
  imageProblems,
  imageTemplate,
  pollImage,
  tellImage,
} from '../kinds/image.ts';

/** Nano Banana 2 image generation. Source: vendor page "Nano Banana 2 Image Generation API"; error codes from public clients. */
const FAMILY = 'nano-banana-2';
const MOST_IMAGES = 14;
const TEMPLATE = imageTemplate(10, 30);

export const GenerateBody = z
  .object({ ...IMAGE_FIELDS, googleSearch: z.boolean().default(false) })
  .superRefine(checkInputImages(MOST_IMAGES));

const FILES = { imageUrl: imageFile('nano-banana-2', 'Nano Banana 2') };

export const nanoBanana2 = family({
  name: FAMILY,
  prices: IMAGE_PRICES,
  files: FILES,
  names: imageNames,
  routes: (app, emulator, prices) => {
    const { settings } = emulator;

    app.post(
      '/api/nano-banana-2/generate',
      { schema: { body: GenerateBody }, config: { problems: imageProblems(MOST_IMAGES) } },
      async (request) => {
        const input = request.body;
        const order = { family: FAMILY, price: prices[input.imageQuality], input, template: TEMPLATE };
        const [task] = submit(emulator, request, [order]);
        return acceptedImage(task!);
      },
    );

    app.post('/api/nano-banana-2/check-status', CHECK_IMAGE, async (request, reply) => {
      const task = pollImage(emulator, request, FAMILY);
      return tellImage(emulator, request, reply, task, () => mediaUrls(request, settings, FILES, task));
    });
  },
});
