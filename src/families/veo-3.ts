import { z } from 'zod';
import { EmulatorError } from '../core/errors.ts';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import type { Task, TaskStatus } from '../core/tasks/task.ts';
import { defineFamily } from '../http/family.ts';
import { BARE_INSUFFICIENT_CREDITS, type ErrorTable, imageUrlsRequired } from '../http/pipeline/error-table.ts';
import { ifSchema, priceList, type RouteProvenance } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { buildResultUrls } from '../http/urls.ts';
import { swapSides, video } from '../rendering/content.ts';
import { setFailedTaskStatus } from './kit/failed-task.ts';
import {
  findInvalidImageField,
  imageUrls,
  misplacedImageFields,
  requiredText,
  whenString,
} from './kit/request-fields.ts';
import { poll, submit } from './kit/task-requests.ts';
import { VIDEO_SIZES } from './shared/video-task.ts';

/** Veo 3.1 video generation, one task per shot. Source: vendor page "Veo 3.1 Video Generation API". */
const FAMILY = 'veo-3';
const PROVENANCE: RouteProvenance = {
  endpoint: 'documented',
  request: 'documented',
  responses: 'documented',
  codes: 'documented',
  prices: 'documented',
};
const MAX_SHOTS = 21;
/** Not documented; keeps one poll from asking for more than it could have been given in a day. */
const MAX_POLLED_TASKS = 1000;

/** Credits per shot. */
const PRICES = { '720p': 10, '1080p': 14, '4k': 30 } as const;

/** The page says 2–5 minutes a shot, its sample answer 90 seconds; the range holds both. */
const TEMPLATE: PlanTemplate = { typicalSeconds: [90, 300], steps: [{ name: 'generating', share: 1 }] };

/** "Images required" of the page's table of generation types. */
const IMAGE_COUNTS = {
  TEXT_2_VIDEO: { min: 0, max: 0 },
  FIRST_AND_LAST_FRAMES_2_VIDEO: { min: 1, max: 2 },
  REFERENCE_2_VIDEO: { min: 1, max: 3 },
} as const;

const resolution = z.enum(['720p', '1080p', '4k']).default('720p');

const Shot = z
  .object({
    // Half a surrogate pair is no text that could be kept and compared.
    id: requiredText('INVALID_INPUT')
      .refine(
        whenString((id) => !/\p{Surrogate}/u.test(id)),
        { error: 'expected a text' },
      )
      .meta({ pattern: '^[^\\uD800-\\uDFFF]*[^\\s\\uD800-\\uDFFF][^\\uD800-\\uDFFF]*$' }),
    prompt: requiredText('PROMPT_REQUIRED'),
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

export const GenerateBody = z
  .object({
    shots: z
      .array(Shot, { error: 'SHOTS_REQUIRED' })
      .min(1, { error: 'SHOTS_REQUIRED' })
      .max(MAX_SHOTS, { error: `at most ${MAX_SHOTS} shots` })
      .meta({ 'x-error-code': 'SHOTS_REQUIRED' }),
    resolution,
  })
  .superRefine(({ shots, resolution }, ctx) => {
    const ids = new Set<string>();
    for (const [index, shot] of shots.entries()) {
      const fieldPath = (field: string) => ['shots', index, field];
      if (ids.has(shot.id)) {
        ctx.addIssue({ code: 'custom', path: fieldPath('id'), message: 'must be unique in the request' });
      }
      ids.add(shot.id);
      const misplacedField = findInvalidImageField(shot, 'imageUrls');
      if (misplacedField) {
        ctx.addIssue({ code: 'custom', path: fieldPath(misplacedField), message: 'IMAGE_URLS_REQUIRED' });
      }
      const { min, max } = IMAGE_COUNTS[shot.generationType];
      if (shot.imageUrls.length < min || shot.imageUrls.length > max) {
        ctx.addIssue({ code: 'custom', path: fieldPath('imageUrls'), message: 'INVALID_IMAGE_COUNT' });
      }
    }
    if (resolution !== '720p' && shots.length > 1) {
      const message = `${resolution} is only available for a single shot`;
      ctx.addIssue({ code: 'custom', path: ['resolution'], message });
    }
  })
  .meta(ifSchema('resolution', ['1080p', '4k'], { properties: { shots: { maxItems: 1 } } }));

export const CheckStatusBody = z.object({
  taskIds: z
    .array(z.object({ shotId: z.string(), taskId: requiredText('TASK_IDS_REQUIRED') }), {
      error: 'TASK_IDS_REQUIRED',
    })
    .min(1, { error: 'TASK_IDS_REQUIRED' })
    .max(MAX_POLLED_TASKS, { error: `at most ${MAX_POLLED_TASKS} tasks` })
    .meta({ 'x-error-code': 'TASK_IDS_REQUIRED' }),
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

const GENERATE_ERRORS: ErrorTable = {
  SHOTS_REQUIRED: { status: 400, error: 'Shots array is required' },
  INVALID_INPUT: { status: 400, error: 'Missing required parameters' },
  PROMPT_REQUIRED: { status: 400, error: 'Prompt is required for each shot' },
  IMAGE_URLS_REQUIRED: imageUrlsRequired(),
  INVALID_IMAGE_COUNT: { status: 400, error: 'Wrong number of images for the generation type' },
  INSUFFICIENT_CREDITS: BARE_INSUFFICIENT_CREDITS,
  GENERATION_FAILED: { status: 500, error: 'Video generation failed' },
};

const CHECK_STATUS_ERRORS: ErrorTable = {
  TASK_IDS_REQUIRED: { status: 400, error: 'Task IDs are required' },
  TASK_NOT_FOUND: { status: 404, error: 'Task not found' },
};

/** What a task is made of: its shot, at the resolution of them all. */
type Input = z.output<typeof Shot> & { resolution: z.output<typeof resolution> };

/** The page has no length; eight seconds are the model's. */
const VIDEO_SECONDS = 8;

const FILES = {
  videoUrl: resultFile('veo', 'mp4', ({ aspectRatio, resolution }: Input) => {
    const size = VIDEO_SIZES[resolution];
    return video(aspectRatio === '9:16' ? swapSides(size) : size, VIDEO_SECONDS, true);
  }),
};

export const veo3 = defineFamily({
  name: FAMILY,
  title: 'Veo 3.1',
  prices: PRICES,
  files: FILES,
  registerRoutes: (app, context, prices) => {
    const { settings } = context;

    app.post(
      '/api/veo-3/generate',
      {
        schema: { body: GenerateBody },
        config: {
          kind: 'submit',
          errors: GENERATE_ERRORS,
          doc: {
            summary: 'Generate a video of one or several shots',
            provenance: PROVENANCE,
            responses: [AcceptedShots],
            prices: { per: 'shot', list: priceList(prices, 'resolution') },
          },
        },
      },
      async (request) => {
        const { shots, resolution } = request.body;
        const price = prices[resolution];
        const tasks = submit(
          context,
          request,
          shots.map((shot) => ({
            family: FAMILY,
            price,
            input: { ...shot, resolution },
            clientRef: shot.id,
            template: TEMPLATE,
          })),
          // "Multi-shot videos take longer as each shot is generated sequentially."
          { chained: true },
        );
        return {
          status: 'processing',
          shots: tasks.map(({ id, status }, index) => ({ shotId: shots[index]!.id, taskId: id, status })),
          creditsUsed: price * shots.length,
        };
      },
    );

    app.post(
      '/api/veo-3/check-status',
      {
        schema: { body: CheckStatusBody },
        config: {
          kind: 'poll',
          errors: CHECK_STATUS_ERRORS,
          doc: {
            summary: 'Poll shots',
            provenance: PROVENANCE,
            responses: [ProcessingShots, CompletedShots],
            failed: FailedShots,
          },
        },
      },
      async (request, reply) => {
        const requested = request.body.taskIds;
        const tasks = poll(
          context,
          request,
          FAMILY,
          requested.map(({ taskId }) => taskId),
        );
        const shots = tasks.map((task, index) => {
          const { shotId } = requested[index]!;
          if (task?.clientRef !== shotId) {
            throw new EmulatorError('TASK_NOT_FOUND', 'no such task of this account for this shot');
          }
          return toShotResponse(task, shotId, () => buildResultUrls(request, settings, FILES, task));
        });
        const status = combineStatuses(shots.map((shot) => shot.status));
        if (status === 'failed') setFailedTaskStatus(settings, request, reply);
        return { status, shots };
      },
    );
  },
});

function toShotResponse(task: Task, shotId: string, urls: () => { videoUrl: string }) {
  const { id: taskId, status } = task;
  switch (status) {
    case 'processing':
      return { shotId, taskId, status };
    case 'completed':
      return { shotId, taskId, status, ...urls(), generationTime: Math.round(task.simulatedMs! / 1000) };
    case 'failed':
      return { shotId, taskId, status, error: 'Video generation failed' };
  }
}

/** One verdict over several shots; how mixtures are told is ours, the page shows none. */
function combineStatuses(statuses: TaskStatus[]): TaskStatus {
  if (statuses.includes('processing')) return 'processing';
  return statuses.includes('failed') ? 'failed' : 'completed';
}
