import * as z from 'zod';
import { BARE_INSUFFICIENT_CREDITS, type ErrorTable, imageUrlsRequired } from '../http/pipeline/error-table.ts';
import { routeProvenance } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { video } from '../rendering/content.ts';
import { defineTaskFamily } from './kit/define-task-family.ts';
import { imageUrls, misplacedImageFields, requestFields } from './kit/request-fields.ts';
import { orient, VIDEO_SIZES, videoTask } from './shared/video-task.ts';

const ERRORS = {
  PROMPT_REQUIRED: { status: 400, error: 'Prompt is required' },
  INVALID_INPUT: { status: 400, error: 'Missing required parameters' },
  IMAGE_REQUIRED: { status: 400, error: 'Image is required for imageToVideo mode' },
  IMAGE_URLS_REQUIRED: imageUrlsRequired(),
  INSUFFICIENT_CREDITS: BARE_INSUFFICIENT_CREDITS,
  GENERATION_FAILED: { status: 500, error: 'Video generation failed' },
} satisfies ErrorTable;

const fields = requestFields(ERRORS);

const Body = fields.withImageRule(
  z.object({
    prompt: fields.requiredText('PROMPT_REQUIRED'),
    mode: z.enum(['textToVideo', 'imageToVideo']),
    modelTier: z.enum(['sora2', 'sora2-pro-standard', 'sora2-pro-high']).default('sora2'),
    aspectRatio: z.enum(['portrait', 'landscape']).default('portrait'),
    // The page does not state a default; we assume the cheaper duration.
    videoDuration: z.enum(['10', '15']).meta({ description: 'Seconds.', 'x-default-source': 'assumed' }).default('10'),
    imageUrls,
    ...misplacedImageFields,
  }),
  {
    urls: 'imageUrls',
    invalid: 'IMAGE_URLS_REQUIRED',
    missing: 'IMAGE_REQUIRED',
    requiredForMode: 'imageToVideo',
  },
);

/** Landscape sizes in pixels. The page does not state any; these are the sizes of the model. */
const SIZES = {
  sora2: [1280, 704],
  'sora2-pro-standard': VIDEO_SIZES['720p'],
  'sora2-pro-high': VIDEO_SIZES['1080p'],
} as const;

/** Sora 2 video generation. Source: vendor page "Sora 2 Video Generation API". */
export const sora2 = defineTaskFamily({
  name: 'sora-2',
  title: 'Sora 2',
  path: '/api/sora-2',
  summary: 'Generate a video',
  provenance: routeProvenance('documented'),
  body: Body,
  errors: ERRORS,
  /** Credits by tier and seconds. */
  prices: {
    sora2: { '10': 4, '15': 8 },
    'sora2-pro-standard': { '10': 60, '15': 100 },
    'sora2-pro-high': { '10': 120, '15': 240 },
  },
  pricedBy: ['modelTier', 'videoDuration'],
  priceOf: ({ modelTier, videoDuration }, prices) => prices[modelTier][videoDuration],
  /** "Typical generation time: 1-3 minutes for sora2, 3-8 minutes for pro models". */
  planOf: ({ modelTier }) => ({
    typicalSeconds: modelTier === 'sora2' ? [60, 180] : [180, 480],
    steps: [{ name: 'generating', share: 1 }],
  }),
  ...videoTask(),
  files: {
    videoUrl: resultFile(
      'sora',
      'mp4',
      {
        modelTier: Body.shape.modelTier.catch('sora2'),
        aspectRatio: Body.shape.aspectRatio.catch('portrait'),
        videoDuration: Body.shape.videoDuration.catch('10'),
      },
      ({ modelTier, aspectRatio, videoDuration }) => video(orient(SIZES[modelTier], aspectRatio), videoDuration, true),
    ),
  },
});
