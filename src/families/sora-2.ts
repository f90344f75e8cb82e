import { z } from 'zod';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import { defineFamily } from '../http/family.ts';
import { BARE_INSUFFICIENT_CREDITS, type ErrorTable, imageUrlsRequired } from '../http/pipeline/error-table.ts';
import { priceList, type RouteProvenance } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { buildResultUrls } from '../http/urls.ts';
import { video } from '../rendering/content.ts';
import { checkImages, imageRuleSchema, imageUrls, misplacedImageFields, requiredText } from './kit/request-fields.ts';
import { submit } from './kit/task-requests.ts';
import {
  AcceptedVideo,
  findPolledVideo,
  orient,
  VIDEO_SIZES,
  videoAcceptedResponse,
  videoStatusResponse,
  videoStatusRoute,
} from './shared/video-task.ts';

/** Sora 2 video generation. Source: vendor page "Sora 2 Video Generation API". */
const FAMILY = 'sora-2';
const PROVENANCE: RouteProvenance = {
  endpoint: 'documented',
  request: 'documented',
  responses: 'documented',
  codes: 'documented',
  prices: 'documented',
};

/** Credits by tier and seconds. */
const PRICES = {
  sora2: { '10': 4, '15': 8 },
  'sora2-pro-standard': { '10': 60, '15': 100 },
  'sora2-pro-high': { '10': 120, '15': 240 },
} as const;

/** "Typical generation time: 1-3 minutes for sora2, 3-8 minutes for pro models". */
const TEMPLATES: Record<keyof typeof PRICES, PlanTemplate> = {
  sora2: { typicalSeconds: [60, 180], steps: [{ name: 'generating', share: 1 }] },
  'sora2-pro-standard': { typicalSeconds: [180, 480], steps: [{ name: 'generating', share: 1 }] },
  'sora2-pro-high': { typicalSeconds: [180, 480], steps: [{ name: 'generating', share: 1 }] },
};

const IMAGE_RULE = { urls: 'imageUrls', requiredForMode: 'imageToVideo', missing: 'IMAGE_REQUIRED' } as const;

export const GenerateBody = z
  .object({
    prompt: requiredText('PROMPT_REQUIRED'),
    mode: z.enum(['textToVideo', 'imageToVideo']),
    modelTier: z.enum(['sora2', 'sora2-pro-standard', 'sora2-pro-high']).default('sora2'),
    aspectRatio: z.enum(['portrait', 'landscape']).default('portrait'),
    // The page gives no default; the cheaper one is ours.
    videoDuration: z.enum(['10', '15']).meta({ description: 'Seconds.', 'x-default-source': 'assumed' }).default('10'),
    imageUrls,
    ...misplacedImageFields,
  })
  .superRefine(checkImages(IMAGE_RULE))
  .meta(imageRuleSchema(IMAGE_RULE));

const ERRORS: ErrorTable = {
  PROMPT_REQUIRED: { status: 400, error: 'Prompt is required' },
  INVALID_INPUT: { status: 400, error: 'Missing required parameters' },
  IMAGE_REQUIRED: { status: 400, error: 'Image is required for imageToVideo mode' },
  IMAGE_URLS_REQUIRED: imageUrlsRequired(),
  INSUFFICIENT_CREDITS: BARE_INSUFFICIENT_CREDITS,
  GENERATION_FAILED: { status: 500, error: 'Video generation failed' },
};

/** Landscape. The pages have no pixels; these are the model's. */
const SIZES = {
  sora2: [1280, 704],
  'sora2-pro-standard': VIDEO_SIZES['720p'],
  'sora2-pro-high': VIDEO_SIZES['1080p'],
} as const;

const FILES = {
  videoUrl: resultFile('sora', 'mp4', ({ modelTier, aspectRatio, videoDuration }: z.output<typeof GenerateBody>) =>
    video(orient(SIZES[modelTier], aspectRatio), videoDuration, true),
  ),
};

export const sora2 = defineFamily({
  name: FAMILY,
  title: 'Sora 2',
  prices: PRICES,
  files: FILES,
  registerRoutes: (app, context, prices) => {
    const { settings } = context;

    app.post(
      '/api/sora-2/generate',
      {
        schema: { body: GenerateBody },
        config: {
          kind: 'submit',
          errors: ERRORS,
          doc: {
            summary: 'Generate a video',
            provenance: PROVENANCE,
            responses: [AcceptedVideo],
            prices: { per: 'request', list: priceList(prices, 'modelTier', 'videoDuration') },
          },
        },
      },
      async (request) => {
        const input = request.body;
        const price = prices[input.modelTier][input.videoDuration];
        const template = TEMPLATES[input.modelTier];
        const [task] = submit(context, request, [{ family: FAMILY, price, input, template }]);
        return videoAcceptedResponse(task!);
      },
    );

    app.post('/api/sora-2/check-status', videoStatusRoute(PROVENANCE), async (request, reply) => {
      const task = findPolledVideo(context, request, FAMILY);
      return videoStatusResponse(context, request, reply, task, () => buildResultUrls(request, settings, FILES, task));
    });
  },
});
