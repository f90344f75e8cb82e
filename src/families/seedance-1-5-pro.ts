import * as z from 'zod';
import { type ErrorTable, imageUrlsRequired } from '../http/pipeline/error-table.ts';
import { routeProvenance } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { video } from '../rendering/content.ts';
import { defineTaskFamily } from './kit/define-task-family.ts';
import { imageUrls, misplacedImageFields, requestFields } from './kit/request-fields.ts';
import { orient, VIDEO_SIZES, videoTask } from './shared/video-task.ts';

const MAX_PROMPT_CHARACTERS = 1000;

const ERRORS = {
  PROMPT_REQUIRED: { status: 400, error: 'Prompt is required' },
  INVALID_INPUT: { status: 400, error: 'Missing required parameters' },
  IMAGE_REQUIRED: { status: 400, error: 'Image is required for imageToVideo mode' },
  IMAGE_URLS_REQUIRED: imageUrlsRequired(),
  GENERATION_FAILED: { status: 500, error: 'Video generation failed' },
} satisfies ErrorTable;

const fields = requestFields(ERRORS);

const Body = fields.withImageRule(
  z.object({
    prompt: fields.requiredText('PROMPT_REQUIRED', MAX_PROMPT_CHARACTERS),
    mode: z.enum(['textToVideo', 'imageToVideo']),
    aspectRatio: z.enum(['portrait', 'landscape']),
    resolution: z.enum(['480p', '720p', '1080p']),
    duration: z.enum(['4', '8', '12']).meta({ description: 'Seconds.' }),
    generateAudio: z.boolean().default(false),
    fixedLens: z.boolean().default(false),
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

/**
 * SeeDance 1.5 Pro video generation. Source: the vendor's page on it for the request and the prices. The responses are
 * not documented; we assume those of Sora 2.
 */
export const seedance = defineTaskFamily({
  name: 'seedance-1-5-pro',
  title: 'SeeDance 1.5 Pro',
  path: '/api/seedance-1-5-pro',
  summary: 'Generate a video',
  provenance: routeProvenance('documented', { responses: 'assumed', codes: 'assumed' }),
  body: Body,
  errors: ERRORS,
  /** Credits by resolution, sound and seconds, for API keys: twice the web price, and sound doubles it again. */
  prices: {
    '480p': { silent: { '4': 2, '8': 4, '12': 6 }, audio: { '4': 4, '8': 8, '12': 12 } },
    '720p': { silent: { '4': 4, '8': 8, '12': 12 }, audio: { '4': 8, '8': 16, '12': 24 } },
    '1080p': { silent: { '4': 8, '8': 16, '12': 22 }, audio: { '4': 16, '8': 32, '12': 44 } },
  },
  pricedBy: ['resolution', { field: 'generateAudio', values: { silent: false, audio: true } }, 'duration'],
  priceOf: ({ resolution, generateAudio, duration }, prices) =>
    prices[resolution][generateAudio ? 'audio' : 'silent'][duration],
  /** Not documented. */
  planOf: () => ({ typicalSeconds: [60, 180], steps: [{ name: 'generating', share: 1 }] }),
  ...videoTask(),
  files: {
    videoUrl: resultFile(
      'seedance',
      'mp4',
      {
        resolution: Body.shape.resolution.catch('480p'),
        aspectRatio: Body.shape.aspectRatio.catch('portrait'),
        duration: Body.shape.duration.catch('4'),
        generateAudio: Body.shape.generateAudio.catch(false),
      },
      ({ resolution, aspectRatio, duration, generateAudio }) =>
        video(orient(VIDEO_SIZES[resolution], aspectRatio), duration, generateAudio),
    ),
  },
});
