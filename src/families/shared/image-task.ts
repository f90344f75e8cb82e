import * as z from 'zod';
import type { PlanTemplate } from '../../core/tasks/plan.ts';
import type { Task } from '../../core/tasks/task.ts';
import type { Family } from '../../http/family.ts';
import { createError, type ErrorTable, imageUrlsRequired } from '../../http/pipeline/error-table.ts';
import { getAccount } from '../../http/pipeline/request-state.ts';
import type { RouteProvenance } from '../../http/pipeline/route-docs.ts';
import { resultFile } from '../../http/results/result-file.ts';
import type { Size } from '../../rendering/content.ts';
import { defineTaskFamily, type Poll, type TaskResponses } from '../kit/define-task-family.ts';
import { imageUrls, misplacedImageFields, requestFields } from '../kit/request-fields.ts';

/*
 * Nano Banana Pro and Nano Banana 2. Source: vendor page "Nano Banana 2 Image Generation API" for Nano Banana 2 except
 * its error codes; public clients for the error codes and for Nano Banana Pro.
 */

/** Sizes in pixels at 1K, those of the underlying models; 2K has twice and 4K four times the width and height. */
const SIZES = { '16:9': [1376, 768], '9:16': [768, 1376], '4:3': [1200, 896], '3:4': [896, 1200] } as const;
const SCALES = { '1K': 1, '2K': 2, '4K': 4 } as const;

/** Credits by image quality. */
const PRICES = { '1K': 4, '2K': 8, '4K': 16 } as const;

interface ImageFamily extends Pick<Family, 'name' | 'title'> {
  path: string;
  provenance: RouteProvenance;
  maxImages: number;
  typicalSeconds: PlanTemplate['typicalSeconds'];
  /** Request fields that only this family has. */
  extraFields?: z.core.$ZodLooseShape;
}

/** Defines a family of image tasks, which are polled by `generationId`. */
export function defineImageFamily({ maxImages, typicalSeconds, extraFields, ...family }: ImageFamily): Family {
  const errors = {
    INVALID_PROMPT: { status: 400, error: 'Prompt is required' },
    INVALID_INPUT: { status: 400, provenance: 'assumed', error: 'Missing required parameters' },
    MISSING_INPUT_IMAGE: { status: 400, error: 'Input image is required for edit mode' },
    IMAGE_URLS_REQUIRED: imageUrlsRequired('inputImageUrls (public URLs)'),
    TOO_MANY_IMAGES: { status: 400, error: `Too many input images. Maximum: ${maxImages}.` },
    CREDIT_RESERVATION_FAILED: { status: 500, error: 'Failed to reserve credits' },
    GENERATION_FAILED: { status: 500, error: 'Image generation failed' },
  } satisfies ErrorTable;
  const fields = requestFields(errors);
  const body = fields.withImageRule(
    z.object({
      prompt: fields.requiredText('INVALID_PROMPT'),
      mode: z.enum(['generate', 'edit']),
      aspectRatio: z.enum(['16:9', '9:16', '4:3', '3:4']).default('16:9'),
      imageQuality: z.enum(['1K', '2K', '4K']).default('1K'),
      inputImageUrls: imageUrls.meta({ maxItems: maxImages, 'x-max-items-code': 'TOO_MANY_IMAGES' }),
      ...misplacedImageFields,
      ...(extraFields as object),
    }),
    {
      urls: 'inputImageUrls',
      invalid: 'IMAGE_URLS_REQUIRED',
      missing: 'MISSING_INPUT_IMAGE',
      requiredForMode: 'edit',
      max: { images: maxImages, code: 'TOO_MANY_IMAGES' },
    },
  );
  const template: PlanTemplate = {
    typicalSeconds,
    // Clients see `pending`, then `generating`; the shares are assumed.
    steps: [
      { name: 'pending', share: 0.1 },
      { name: 'generating', share: 0.9 },
    ],
  };

  return defineTaskFamily({
    ...family,
    summary: 'Generate or edit an image',
    body,
    errors,
    prices: PRICES,
    pricedBy: ['imageQuality'],
    priceOf: ({ imageQuality }, prices) => prices[imageQuality],
    planOf: () => template,
    clientIds: ({ id }) => ({ generationId: toGenerationId(id) }),
    ...imageTask,
    files: {
      imageUrl: resultFile(
        family.name,
        'jpg',
        {
          prompt: z.string().catch(''),
          mode: body.shape.mode.catch('generate'),
          aspectRatio: body.shape.aspectRatio.catch('16:9'),
          imageQuality: body.shape.imageQuality.catch('1K'),
          inputImageUrls: body.shape.inputImageUrls.catch([]),
        },
        ({ prompt, mode, aspectRatio, imageQuality, inputImageUrls }, { id }) => {
          const scale = SCALES[imageQuality];
          const [width, height] = SIZES[aspectRatio];
          const size: Size = [width * scale, height * scale];
          const edited = mode === 'edit' ? `, edit of ${inputImageUrls.length}` : '';
          const note = `${imageQuality}, ${aspectRatio}, ${size.join('×')}${edited}`;
          return { kind: 'picture', size, model: family.title, prompt, taskId: id, note };
        },
      ),
    },
  });
}

const generationId = z.string().min(1);

const AcceptedImage = z
  .strictObject({
    success: z.literal(true),
    generationId: generationId.meta({ description: 'The id to poll the image by.' }),
    taskId: z.string().regex(/^task_/),
    status: z.literal('pending'),
  })
  .meta({ id: 'AcceptedImage' });

const UnfinishedImage = z
  .strictObject({
    success: z.literal(true),
    status: z.enum(['pending', 'generating']),
    generationId,
    progress: z.int().min(0).max(99).meta({ description: 'Percent.' }),
  })
  .meta({ id: 'UnfinishedImage', 'x-source': 'assumed' });

const CompletedImage = z
  .strictObject({
    success: z.literal(true),
    status: z.literal('completed'),
    imageUrl: z.url(),
    generationId,
    progress: z.literal(100),
  })
  .meta({ id: 'CompletedImage' });

const FailedImage = z
  .strictObject({
    success: z.literal(false),
    status: z.literal('failed'),
    error: z.string(),
    generationId,
    progress: z.literal(0),
  })
  .meta({ id: 'FailedImage', 'x-source': 'assumed' });

/** The id to poll an image by is its task id with another prefix, so that the two are never confused. */
const toGenerationId = (taskId: string) => taskId.replace(/^task_/, 'gen_');
const toTaskId = (generationId: string) =>
  generationId.startsWith('gen_') ? generationId.replace(/^gen_/, 'task_') : '';

const POLL_ERRORS = {
  INVALID_INPUT: { status: 400, provenance: 'assumed', error: 'Missing required parameters' },
  NOT_FOUND: { status: 404, error: 'Generation not found' },
  FORBIDDEN: { status: 403, error: 'You do not have access to this generation' },
} satisfies ErrorTable;

const PollBody = z.object({ generationId: requestFields(POLL_ERRORS).requiredText('INVALID_INPUT') });

const imageTask: TaskResponses<typeof PollBody> = {
  accepted: AcceptedImage,
  toAccepted: ([task]) => ({
    success: true,
    generationId: toGenerationId(task!.id),
    taskId: task!.id,
    status: 'pending',
  }),
  poll: {
    summary: 'Poll an image',
    body: PollBody,
    errors: POLL_ERRORS,
    responses: [UnfinishedImage, CompletedImage],
    failed: FailedImage,
    toTaskIds: ({ generationId }) => [toTaskId(generationId)],
    respond: ([task], { generationId }, poll) => {
      if (!task) throw createNotFoundError(generationId, poll);
      return toStatusResponse(task, poll);
    },
  },
};

/** FORBIDDEN for a task of another account, else NOT_FOUND. */
function createNotFoundError(generationId: string, { context, request, family }: Poll) {
  const { tasks } = context.core;
  const taskId = toTaskId(generationId);
  if (!tasks.find(getAccount(request).id, taskId) && tasks.existsAnywhere(taskId, family)) {
    return createError(POLL_ERRORS, 'FORBIDDEN', 'the task belongs to another account');
  }
  const hint = generationId.startsWith('task_') ? ': that is a taskId, images are polled by generationId' : '';
  return createError(POLL_ERRORS, 'NOT_FOUND', `no such task of ${family}${hint}`);
}

function toStatusResponse(task: Task, { context, urlsOf }: Poll) {
  const generationId = toGenerationId(task.id);
  switch (task.status) {
    case 'processing': {
      const status = task.plan.steps[task.step]!.name;
      const progress = computeProgress(task, context.core.tasks.elapsedMs(task));
      return { success: true, status, generationId, progress };
    }
    case 'completed':
      return { success: true, status: 'completed', ...urlsOf(task), generationId, progress: 100 };
    case 'failed':
      return { success: false, status: 'failed', error: 'Generation failed', generationId, progress: 0 };
  }
}

/** Percent: 0 while pending, then 1 to 99 in proportion to the elapsed time. */
function computeProgress({ plan, step }: Task, elapsedMs: number): number {
  if (step === 0) return 0;
  const stepStartMs = plan.steps[step]!.atMs;
  const share = (elapsedMs - stepStartMs) / (plan.endMs - stepStartMs);
  return Math.min(99, Math.max(1, Math.floor(share * 100)));
}
