import * as z from 'zod';
import { type ErrorTable, imageUrlsRequired } from '../http/pipeline/error-table.ts';
import { routeProvenance } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { video } from '../rendering/content.ts';
import { defineTaskFamily } from './kit/define-task-family.ts';
import { findMisplacedImageField, misplacedImageFields, requestFields } from './kit/request-fields.ts';
import { CompletedVideo, orient, videoTask } from './shared/video-task.ts';

const ERRORS = {
  INVALID_INPUT: { status: 400, error: 'Missing required parameters' },
  IMAGE_URLS_REQUIRED: imageUrlsRequired('referenceImageUrl (a public URL)'),
  GENERATION_FAILED: { status: 500, error: 'Video generation failed' },
} satisfies ErrorTable;

const fields = requestFields(ERRORS);

const Body = z
  .object({
    adTheme: fields.requiredText('INVALID_INPUT'),
    referenceImageUrl: fields.publicUrl('IMAGE_URLS_REQUIRED').optional(),
    voiceoverScript: z.string().optional(),
    videoDuration: z.enum(['10', '15']).meta({ description: 'Seconds.' }).default('10'),
    aspectRatio: z.enum(['portrait', 'landscape']).default('portrait'),
    ...misplacedImageFields,
  })
  .superRefine((body, ctx) => {
    const field = findMisplacedImageField(body);
    if (field) ctx.addIssue(fields.createIssue('IMAGE_URLS_REQUIRED', field));
  });
const aspectRatio = Body.shape.aspectRatio.catch('portrait');

const CompletedAd = CompletedVideo.extend({ storyboardImageUrl: z.url() }).meta({ id: 'CompletedAd' });

/** Landscape sizes, which the page does not state; we assume those of a Sora 2 video and of a 1K image. */
const VIDEO_SIZE = [1280, 704] as const;
const STORYBOARD_SIZE = [1376, 768] as const;

/**
 * Sora 2 TVC ad: a script of nine scenes, a black-and-white 3×3 storyboard, and a video. Source: vendor page "Sora 2
 * TVC Ad API" for the request and the price. The responses are not documented; we assume those of Sora 2.
 */
export const sora2Tvc = defineTaskFamily({
  name: 'sora-2-tvc',
  title: 'Sora 2 TVC ad',
  path: '/api/sora-2-tvc',
  summary: 'Generate an ad',
  provenance: routeProvenance('documented', { responses: 'assumed', codes: 'assumed' }),
  body: Body,
  errors: ERRORS,
  /** Credits by seconds. */
  prices: { '10': 8, '15': 8 },
  pricedBy: ['videoDuration'],
  priceOf: ({ videoDuration }, prices) => prices[videoDuration],
  /** The page names the steps; their durations are not documented. */
  planOf: () => ({
    typicalSeconds: [180, 480],
    steps: [
      { name: 'storyboard_script', share: 0.1 },
      { name: 'storyboard_image', share: 0.2 },
      { name: 'video_generation', share: 0.7 },
    ],
  }),
  ...videoTask(CompletedAd),
  files: {
    videoUrl: resultFile(
      'sora-2-tvc',
      'mp4',
      { aspectRatio, videoDuration: Body.shape.videoDuration.catch('10') },
      ({ aspectRatio, videoDuration }) => video(orient(VIDEO_SIZE, aspectRatio), videoDuration, true),
    ),
    storyboardImageUrl: resultFile(
      'sora-2-tvc',
      'jpg',
      { aspectRatio, adTheme: z.string().catch('') },
      ({ aspectRatio, adTheme }, { id }) => ({
        kind: 'storyboard',
        size: orient(STORYBOARD_SIZE, aspectRatio),
        model: 'Sora 2 TVC',
        prompt: adTheme,
        taskId: id,
      }),
    ),
  },
});
