import * as z from 'zod';
import type { Task, TaskStatus } from '../core/tasks/task.ts';
import {
  BARE_INSUFFICIENT_CREDITS,
  createError,
  type ErrorTable,
  imageUrlsRequired,
} from '../http/pipeline/error-table.ts';
import { ifSchema, routeProvenance } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { swapSides, video } from '../rendering/content.ts';
import { defineTaskFamily, type Poll } from './kit/define-task-family.ts';
import {
  findInvalidImageField,
  imageUrls,
  misplacedImageFields,
  requestFields,
  whenString,
} from './kit/request-fields.ts';
import { VIDEO_SIZES } from './shared/video-task.ts';

const MAX_SHOTS = 21;
/** Not documented: bounds the work of one poll, far above the number of shots of a request. */
const MAX_POLLED_TASKS = 1000;

const ERRORS = {
  SHOTS_REQUIRED: { status: 400, error: 'Shots array is required' },
  INVALID_INPUT: { status: 400, error: 'Missing required parameters' },
  PROMPT_REQUIRED: { status: 400, error: 'Prompt is required for each shot' },
  IMAGE_URLS_REQUIRED: imageUrlsRequired(),
  INVALID_IMAGE_COUNT: { status: 400, error: 'Wrong number of images for the generation type' },
  INSUFFICIENT_CREDITS: BARE_INSUFFICIENT_CREDITS,
  GENERATION_FAILED: { status: 500, error: 'Video generation failed' },
} satisfies ErrorTable;

const POLL_ERRORS = {
  TASK_IDS_REQUIRED: { status: 400, error: 'Task IDs are required' },
  TASK_NOT_FOUND: { status: 404, error: 'Task not found' },
} satisfies ErrorTable;

const fields = requestFields(ERRORS);
const pollFields = requestFields(POLL_ERRORS);

/** "Images required" in the page's table of generation types. */
const IMAGE_COUNTS = {
  TEXT_2_VIDEO: { min: 0, max: 0 },
  FIRST_AND_LAST_FRAMES_2_VIDEO: { min: 1, max: 2 },
  REFERENCE_2_VIDEO: { min: 1, max: 3 },
} as const;

const resolution = z.enum(['720p', '1080p', '4k']).default('720p');

const Shot = z
  .object({
    // A lone surrogate cannot be stored as UTF-8, so the id would not compare equal later.
    id: fields
      .requiredText('INVALID_INPUT')
      .refine(
        whenString((id) => !/\p{Surrogate}/u.test(id)),
        { error: 'expected a text' },
      )
      .meta({ pattern: '^[^\\uD800-\\uDFFF]*[^\\s\\uD800-\\uDFFF][^\\uD800-\\uDFFF]*$' }),
    prompt: fields.requiredText('PROMPT_REQUIRED'),
    generationType: z.enum(['TEXT_2_VIDEO', 'FIRST_AND_LAST_FRAMES_2_VIDEO', 'REFERENCE_2_VIDEO']),
    aspectRatio: z.enum(['16:9', '9:16']),
    imageUrls,
    ...misplacedImageFields,
  })
  .meta({
    allOf: Object.entries(IMAGE_COUNTS).map(([type, { min, max }]) =>
      ifSchema('generationType', [type], {
        properties: { imageUrls: { minItems: min, maxItems: max } },
        ...(min > 0 && { required: ['imageUrls'] }),
        'x-error-code': 'INVALID_IMAGE_COUNT',
      }),
    ),
  });

const Body = z
  .object({ shots: fields.requiredList('SHOTS_REQUIRED', Shot, MAX_SHOTS, 'shots'), resolution })
  .superRefine(({ shots, resolution }, ctx) => {
    const ids = new Set<string>();
    for (const [index, shot] of shots.entries()) {
      if (ids.has(shot.id)) {
        ctx.addIssue({ code: 'custom', path: ['shots', index, 'id'], message: 'must be unique in the request' });
      }
      ids.add(shot.id);
      const invalidField = findInvalidImageField(shot, 'imageUrls');
      if (invalidField) ctx.addIssue(fields.createIssue('IMAGE_URLS_REQUIRED', 'shots', index, invalidField));
      const { min, max } = IMAGE_COUNTS[shot.generationType];
      if (shot.imageUrls.length < min || shot.imageUrls.length > max) {
        ctx.addIssue(fields.createIssue('INVALID_IMAGE_COUNT', 'shots', index, 'imageUrls'));
      }
    }
    if (resolution !== '720p' && shots.length > 1) {
      const message = `${resolution} is only available for a single shot`;
      ctx.addIssue({ code: 'custom', path: ['resolution'], message });
    }
  })
  .meta(ifSchema('resolution', ['1080p', '4k'], { properties: { shots: { maxItems: 1 } } }));

const PolledTask = z.object({ shotId: z.string(), taskId: pollFields.requiredText('TASK_IDS_REQUIRED') });

const PollBody = z.object({
  taskIds: pollFields.requiredList('TASK_IDS_REQUIRED', PolledTask, MAX_POLLED_TASKS, 'tasks'),
  resolution,
});

const taskId = z.string().regex(/^task_/);
const ProcessingShot = z
  .strictObject({ shotId: z.string(), taskId, status: z.literal('processing') })
  .meta({ id: 'ProcessingShot' });
const CompletedShot = z
  .strictObject({
    shotId: z.string(),
    taskId,
    status: z.literal('completed'),
    videoUrl: z.url(),
    generationTime: z.int().min(0).meta({ description: 'Whole seconds of simulated time.' }),
  })
  .meta({ id: 'CompletedShot' });
const FailedShot = z
  .strictObject({ shotId: z.string(), taskId, status: z.literal('failed'), error: z.string() })
  .meta({ id: 'FailedShot' });

const AcceptedShots = z
  .strictObject({
    status: z.literal('processing'),
    shots: z.array(ProcessingShot).min(1),
    creditsUsed: z.int().min(0),
  })
  .meta({ id: 'AcceptedShots' });
const ProcessingShots = z
  .strictObject({
    status: z.literal('processing'),
    shots: z.array(z.discriminatedUnion('status', [ProcessingShot, CompletedShot, FailedShot])).min(1),
  })
  .meta({ id: 'ProcessingShots' });
const CompletedShots = z
  .strictObject({ status: z.literal('completed'), shots: z.array(CompletedShot).min(1) })
  .meta({ id: 'CompletedShots' });
const FailedShots = z
  .strictObject({
    status: z.literal('failed'),
    shots: z.array(z.discriminatedUnion('status', [CompletedShot, FailedShot])).min(1),
  })
  .meta({ id: 'FailedShots' });

/** The input of a task: its shot, at the resolution of the request. */
type Input = z.output<typeof Shot> & { resolution: z.output<typeof resolution> };

/** The page does not state a length; the model makes eight seconds. */
const VIDEO_SECONDS = 8;

/** Veo 3.1 video generation, one task per shot. Source: vendor page "Veo 3.1 Video Generation API". */
export const veo3 = defineTaskFamily({
  name: 'veo-3',
  title: 'Veo 3.1',
  path: '/api/veo-3',
  summary: 'Generate a video of one or several shots',
  provenance: routeProvenance('documented'),
  body: Body,
  errors: ERRORS,
  /** Credits by resolution. */
  prices: { '720p': 10, '1080p': 14, '4k': 30 },
  pricedBy: ['resolution'],
  pricedPer: 'shot',
  /** "Multi-shot videos take longer as each shot is generated sequentially." */
  toInputs: ({ shots, resolution }) => shots.map((shot): Input => ({ ...shot, resolution })),
  toClientRef: ({ id }) => id,
  priceOf: ({ resolution }, prices) => prices[resolution],
  /** The page states 2–5 minutes per shot, its sample 90 seconds; the range includes both. */
  planOf: () => ({ typicalSeconds: [90, 300], steps: [{ name: 'generating', share: 1 }] }),
  accepted: AcceptedShots,
  toAccepted: (tasks) => ({
    status: 'processing',
    shots: tasks.map(({ id, clientRef, status }) => ({ shotId: clientRef, taskId: id, status })),
    creditsUsed: tasks.reduce((sum, { price }) => sum + price, 0),
  }),
  poll: {
    summary: 'Poll shots',
    body: PollBody,
    errors: POLL_ERRORS,
    responses: [ProcessingShots, CompletedShots],
    failed: FailedShots,
    toTaskIds: ({ taskIds }) => taskIds.map(({ taskId }) => taskId),
    respond: (tasks, { taskIds }, poll) => {
      const shots = tasks.map((task, index) => {
        if (task?.clientRef === taskIds[index]!.shotId) return toShotResponse(task, poll);
        throw createError(POLL_ERRORS, 'TASK_NOT_FOUND', 'no such task of this account for this shot');
      });
      return { status: combineStatuses(shots.map(({ status }) => status)), shots };
    },
  },
  files: {
    videoUrl: resultFile(
      'veo',
      'mp4',
      { aspectRatio: Shot.shape.aspectRatio.catch('16:9'), resolution: resolution.catch('720p') },
      ({ aspectRatio, resolution }) => {
        const size = VIDEO_SIZES[resolution];
        return video(aspectRatio === '9:16' ? swapSides(size) : size, VIDEO_SECONDS, true);
      },
    ),
  },
});

function toShotResponse(task: Task, { urlsOf }: Poll) {
  const { clientRef: shotId, id: taskId, status } = task;
  switch (status) {
    case 'processing':
      return { shotId, taskId, status };
    case 'completed':
      return { shotId, taskId, status, ...urlsOf(task), generationTime: Math.round(task.simulatedMs! / 1000) };
    case 'failed':
      return { shotId, taskId, status, error: 'Video generation failed' };
  }
}

/** The status of the whole request. The page shows no mixtures; their status is assumed. */
function combineStatuses(statuses: TaskStatus[]): TaskStatus {
  if (statuses.includes('processing')) return 'processing';
  return statuses.includes('failed') ? 'failed' : 'completed';
}
