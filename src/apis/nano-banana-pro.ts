import { z } from 'zod';
import { accountOf } from '../http/context.ts';
import { family } from '../http/family.ts';
import { mediaUrl } from '../http/urls.ts';
import {
  acceptedImage,
  CHECK_IMAGE,
  checkInputImages,
  IMAGE_FIELDS,
  IMAGE_PRICES,
  imageProblems,
  imageTemplate,
  pollImage,
  tellImage,
} from '../kinds/image.ts';

/** Nano Banana Pro image generation. The vendor names the API; everything else is known from public clients. */
const FAMILY = 'nano-banana-pro';
const MOST_IMAGES = 8;
const TEMPLATE = imageTemplate(30, 300);

export const GenerateBody = z.object(IMAGE_FIELDS).superRefine(checkInputImages(MOST_IMAGES));

export const nanoBananaPro = family(FAMILY, IMAGE_PRICES, (app, emulator, prices) => {
  const { core, settings } = emulator;

  app.post(
    '/api/nano-banana-pro/generate',
    { schema: { body: GenerateBody }, config: { problems: imageProblems(MOST_IMAGES) } },
    async (request) => {
      const input = request.body;
      const order = { family: FAMILY, price: prices[input.imageQuality], input, template: TEMPLATE };
      const [task] = core.tasks.submit(accountOf(request).id, [order]);
      return acceptedImage(task!);
    },
  );

  app.post('/api/nano-banana-pro/check-status', CHECK_IMAGE, async (request, reply) => {
    const task = pollImage(emulator, request, FAMILY);
    const imageUrl = mediaUrl(request, settings, `nano-banana-pro/${task.id}.jpg`);
    return tellImage(emulator, request, reply, task, imageUrl);
  });
});
