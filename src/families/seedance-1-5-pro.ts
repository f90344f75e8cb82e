import { z } from 'zod';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import { family } from '../http/family.ts';
import { imageUrlsRequired, type Problems } from '../http/pipeline/errors.ts';
import { priceList, type Sources } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { mediaUrls } from '../http/urls.ts';
import { video } from '../rendering/content.ts';
import { checkImages, imageUrls, otherImages, requiredText, tellImageRule } from './kit/request-fields.ts';
import { submit } from './kit/task-requests.ts';
import {
  AcceptedVideo,
  acceptedVideo,
  checkVideo,
  oriented,
  pollVideo,
  tellVideo,
  VIDEO_SIZES,
} from './shared/video-task.ts';

/**
 * SeeDance 1.5 Pro video generation. Source: the vendor's page on it for the request and the prices; the answers
 * are documented nowhere and told as Sora 2 tells them.
 */
const FAMILY = 'seedance-1-5-pro';
const SOURCES: Sources = { endpoint: 'D', request: 'D', answers: 'X', codes: 'X', prices: 'D' };
const MOST_PROMPT_CHARACTERS = 1000;

/** Credits by resolution, sound and seconds, for API keys: twice the web price, and sound doubles it again. */
const PRICES = {
  '480p': { silent: { '4': 2, '8': 4, '12': 6 }, audio: { '4': 4, '8': 8, '12': 12 } },
  '720p': { silent: { '4': 4, '8': 8, '12': 12 }, audio: { '4': 8, '8': 16, '12': 24 } },
  '1080p': { silent: { '4': 8, '8': 16, '12': 22 }, audio: { '4': 16, '8': 32, '12': 44 } },
} as const;

/** Not documented. */
const TEMPLATE: PlanTemplate = { typicalSeconds: [60, 180], steps: [{ name: 'generating', share: 1 }] };

const IMAGES = { urls: 'imageUrls', neededFor: 'imageToVideo', missing: 'IMAGE_REQUIRED' } as const;

export const GenerateBody = z
  .object({
    prompt: requiredText('PROMPT_REQUIRED', MOST_PROMPT_CHARACTERS),
    mode: z.enum(['textToVideo', 'imageToVideo']),
    aspectRatio: z.enum(['portrait', 'landscape']),
    resolution: z.enum(['480p', '720p', '1080p']),
    duration: z.enum(['4', '8', '12']).meta({ description: 'Seconds.' }),
    generateAudio: z.boolean().default(false),
    fixedLens: z.boolean().default(false),
    imageUrls,
    ...otherImages,
  })
  .superRefine(checkImages(IMAGES))
  .meta(tellImageRule(IMAGES));

/** In the table sound has words, in the request it is a switch. */
const SOUND = { field: 'generateAudio', values: { silent: false, audio: true } };

const PROBLEMS: Problems = {
  PROMPT_REQUIRED: { status: 400, error: 'Prompt is required' },
  INVALID_INPUT: { status: 400, error: 'Missing required parameters' },
  IMAGE_REQUIRED: { status: 400, error: 'Image is required for imageToVideo mode' },
  IMAGE_URLS_REQUIRED: imageUrlsRequired(),
  GENERATION_FAILED: { status: 500, error: 'Video generation failed' },
};

const FILES = {
  videoUrl: resultFile(
    'seedance',
    'mp4',
    ({ resolution, aspectRatio, duration, generateAudio }: z.output<typeof GenerateBody>) =>
      video(oriented(VIDEO_SIZES[resolution], aspectRatio), duration, generateAudio),
  ),
};

export const seedance = family({
  name: FAMILY,
  title: 'SeeDance 1.5 Pro',
  prices: PRICES,
  files: FILES,
  routes: (app, emulator, prices) => {
    const { settings } = emulator;

    app.post(
      '/api/seedance-1-5-pro/generate',
      {
        schema: { body: GenerateBody },
        config: {
          problems: PROBLEMS,
          doc: {
            summary: 'Generate a video',
            sources: SOURCES,
            answers: [AcceptedVideo],
            prices: { per: 'request', list: priceList(prices, 'resolution', SOUND, 'duration') },
          },
        },
      },
      async (request) => {
        const input = request.body;
        const price = prices[input.resolution][input.generateAudio ? 'audio' : 'silent'][input.duration];
        const order = { family: FAMILY, price, input, template: TEMPLATE };
        const [task] = submit(emulator, request, [order]);
        return acceptedVideo(task!);
      },
    );

    app.post('/api/seedance-1-5-pro/check-status', checkVideo(SOURCES), async (request, reply) => {
      const task = pollVideo(emulator, request, FAMILY);
      return tellVideo(emulator, request, reply, task, () => mediaUrls(request, settings, FILES, task));
    });
  },
});
