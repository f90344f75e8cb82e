import { z } from 'zod';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import { defineFamily } from '../http/family.ts';
import { type ErrorTable, imageUrlsRequired } from '../http/pipeline/error-table.ts';
import { priceList, type RouteProvenance } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { buildResultUrls } from '../http/urls.ts';
import { video } from '../rendering/content.ts';
import { findMisplacedImageField, misplacedImageFields, publicUrl, requiredText } from './kit/request-fields.ts';
import { submit } from './kit/task-requests.ts';
import {
  AcceptedVideo,
  CompletedVideo,
  findPolledVideo,
  orient,
  videoAcceptedResponse,
  videoStatusResponse,
  videoStatusRoute,
} from './shared/video-task.ts';

/**
 * Sora 2 TVC ad: a script of nine scenes, a black-and-white storyboard of 3×3, a video. Source: vendor page "Sora 2 TVC Ad API"
 * for the request and the price; the answers are documented nowhere and told as Sora 2 tells them.
 */
const FAMILY = 'sora-2-tvc';
const PROVENANCE: RouteProvenance = {
  endpoint: 'documented',
  request: 'documented',
  responses: 'assumed',
  codes: 'assumed',
  prices: 'documented',
};

/** Credits by seconds. */
const PRICES = { '10': 8, '15': 8 } as const;

/** The steps are the page's; how long they take is not documented. */
const TEMPLATE: PlanTemplate = {
  typicalSeconds: [180, 480],
  steps: [
    { name: 'storyboard_script', share: 0.1 },
    { name: 'storyboard_image', share: 0.2 },
    { name: 'video_generation', share: 0.7 },
  ],
};

export const GenerateBody = z
  .object({
    adTheme: requiredText('INVALID_INPUT'),
    referenceImageUrl: publicUrl('IMAGE_URLS_REQUIRED').optional(),
    voiceoverScript: z.string().optional(),
    videoDuration: z.enum(['10', '15']).meta({ description: 'Seconds.' }).default('10'),
    aspectRatio: z.enum(['portrait', 'landscape']).default('portrait'),
    ...misplacedImageFields,
  })
  .superRefine((body, ctx) => {
    const field = findMisplacedImageField(body);
    if (field) ctx.addIssue({ code: 'custom', path: [field], message: 'IMAGE_URLS_REQUIRED' });
  });

const ERRORS: ErrorTable = {
  INVALID_INPUT: { status: 400, error: 'Missing required parameters' },
  IMAGE_URLS_REQUIRED: imageUrlsRequired('referenceImageUrl (a public URL)'),
  GENERATION_FAILED: { status: 500, error: 'Video generation failed' },
};

const CompletedAd = CompletedVideo.extend({ storyboardImageUrl: z.url() }).meta({ id: 'CompletedAd' });

type Input = z.output<typeof GenerateBody>;

/** Landscape. Those of Sora 2 and of an image of 1K; the page has none. */
const VIDEO_SIZE = [1280, 704] as const;
const STORYBOARD_SIZE = [1376, 768] as const;

const FILES = {
  videoUrl: resultFile('sora-2-tvc', 'mp4', ({ aspectRatio, videoDuration }: Input) =>
    video(orient(VIDEO_SIZE, aspectRatio), videoDuration, true),
  ),
  storyboardImageUrl: resultFile('sora-2-tvc', 'jpg', ({ aspectRatio, adTheme }: Input, { id }) => ({
    kind: 'storyboard',
    size: orient(STORYBOARD_SIZE, aspectRatio),
    model: 'Sora 2 TVC',
    prompt: adTheme,
    taskId: id,
  })),
};

export const sora2Tvc = defineFamily({
  name: FAMILY,
  title: 'Sora 2 TVC ad',
  prices: PRICES,
  files: FILES,
  registerRoutes: (app, context, prices) => {
    const { settings } = context;

    app.post(
      '/api/sora-2-tvc/generate',
      {
        schema: { body: GenerateBody },
        config: {
          kind: 'submit',
          errors: ERRORS,
          doc: {
            summary: 'Generate an ad',
            provenance: PROVENANCE,
            responses: [AcceptedVideo],
            prices: { per: 'request', list: priceList(prices, 'videoDuration') },
          },
        },
      },
      async (request) => {
        const input = request.body;
        const order = { family: FAMILY, price: prices[input.videoDuration], input, template: TEMPLATE };
        const [task] = submit(context, request, [order]);
        return videoAcceptedResponse(task!);
      },
    );

    app.post('/api/sora-2-tvc/check-status', videoStatusRoute(PROVENANCE, CompletedAd), async (request, reply) => {
      const task = findPolledVideo(context, request, FAMILY);
      return videoStatusResponse(context, request, reply, task, () => buildResultUrls(request, settings, FILES, task));
    });
  },
});
