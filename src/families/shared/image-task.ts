import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { EmulatorError } from '../../core/errors.ts';
import type { PlanTemplate } from '../../core/tasks/plan.ts';
import type { Task } from '../../core/tasks/task.ts';
import type { HttpContext } from '../../http/context.ts';
import { type ErrorTable, imageUrlsRequired } from '../../http/pipeline/error-table.ts';
import { getAccount } from '../../http/pipeline/request-state.ts';
import type { RouteProvenance } from '../../http/pipeline/route-docs.ts';
import { type ResultFile, resultFile } from '../../http/results/result-file.ts';
import type { Size } from '../../rendering/content.ts';
import { setFailedTaskStatus } from '../kit/failed-task.ts';
import { checkImages, imageRuleSchema, imageUrls, misplacedImageFields, requiredText } from '../kit/request-fields.ts';
import { poll } from '../kit/task-requests.ts';

/**
 * What Nano Banana Pro and Nano Banana 2 have in common, which is all but a few lines. Source: vendor page "Nano Banana 2
 * Image Generation API" for Nano Banana 2, but for the error codes; public clients for those and for Nano Banana Pro.
 */
const IMAGE_FIELDS = {
  prompt: requiredText('INVALID_PROMPT'),
  mode: z.enum(['generate', 'edit']),
  aspectRatio: z.enum(['16:9', '9:16', '4:3', '3:4']).default('16:9'),
  imageQuality: z.enum(['1K', '2K', '4K']).default('1K'),
  inputImageUrls: imageUrls,
  ...misplacedImageFields,
};

/** What is sent to generate an image: these fields and the family's own, with so many images at most. */
export function imageBody<Extra extends z.core.$ZodLooseShape>(maxImages: number, extraFields: Extra) {
  const rule = { urls: 'inputImageUrls', requiredForMode: 'edit', missing: 'MISSING_INPUT_IMAGE' } as const;
  return z
    .object({ ...IMAGE_FIELDS, ...extraFields })
    .extend({
      inputImageUrls: imageUrls.meta({ maxItems: maxImages, 'x-max-items-code': 'TOO_MANY_IMAGES' }),
    })
    .superRefine((body, ctx) => checkImages({ ...rule, max: maxImages })(body as never, ctx))
    .meta(imageRuleSchema(rule));
}

/** Credits by image quality. */
export const IMAGE_PRICES = { '1K': 4, '2K': 8, '4K': 16 } as const;

/** Of 1K in pixels, as the models make them; 2K is twice and 4K four times that on each side. */
const SIZES = { '16:9': [1376, 768], '9:16': [768, 1376], '4:3': [1200, 896], '3:4': [896, 1200] } as const;
const SCALES = { '1K': 1, '2K': 2, '4K': 4 } as const;

type Input = z.output<z.ZodObject<typeof IMAGE_FIELDS>>;

/** The one file of an image's task. `model`: its name, to be seen on it. */
export const imageFile = (folder: string, model: string): ResultFile =>
  resultFile(folder, 'jpg', (input: Input, { id }) => {
    const { prompt, mode, aspectRatio, imageQuality, inputImageUrls } = input;
    const scale = SCALES[imageQuality];
    const [width, height] = SIZES[aspectRatio];
    const size: Size = [width * scale, height * scale];
    const edited = mode === 'edit' ? `, edit of ${inputImageUrls.length}` : '';
    const note = `${imageQuality}, ${aspectRatio}, ${size.join('×')}${edited}`;
    return { kind: 'picture', size, model, prompt, taskId: id, note };
  });

/** Clients see `pending`, then `generating`; when the one becomes the other is ours. */
export const imageTemplate = (...typicalSeconds: PlanTemplate['typicalSeconds']): PlanTemplate => ({
  typicalSeconds,
  steps: [
    { name: 'pending', share: 0.1 },
    { name: 'generating', share: 0.9 },
  ],
});

export const imageErrors = (maxImages: number): ErrorTable => ({
  INVALID_PROMPT: { status: 400, error: 'Prompt is required' },
  INVALID_INPUT: { status: 400, provenance: 'assumed', error: 'Missing required parameters' },
  MISSING_INPUT_IMAGE: { status: 400, error: 'Input image is required for edit mode' },
  IMAGE_URLS_REQUIRED: imageUrlsRequired('inputImageUrls (public URLs)'),
  TOO_MANY_IMAGES: { status: 400, error: `Too many input images. Maximum: ${maxImages}.` },
  CREDIT_RESERVATION_FAILED: { status: 500, error: 'Failed to reserve credits' },
  GENERATION_FAILED: { status: 500, error: 'Image generation failed' },
});

const generationId = z.string().min(1);

export const AcceptedImage = z
  .strictObject({
    success: z.literal(true),
    generationId: generationId.meta({ description: 'What the image is polled by.' }),
    taskId: z.string().regex(/^task_/),
    status: z.literal('pending'),
  })
  .meta({ id: 'AcceptedImage' });

const UnfinishedImage = z
  .strictObject({
    success: z.literal(true),
    status: z.enum(['pending', 'generating']),
    generationId,
    progress: z.int().min(0).max(99).meta({ description: 'Per cent.' }),
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

const CheckImageBody = z.object({ generationId: requiredText('INVALID_INPUT') });

const CHECK_ERRORS: ErrorTable = {
  INVALID_INPUT: { status: 400, provenance: 'assumed', error: 'Missing required parameters' },
  NOT_FOUND: { status: 404, error: 'Generation not found' },
  FORBIDDEN: { status: 403, error: 'You do not have access to this generation' },
};

/** The options of the route that is polled. */
export const imageStatusRoute = (provenance: RouteProvenance) => ({
  schema: { body: CheckImageBody },
  config: {
    kind: 'poll' as const,
    errors: CHECK_ERRORS,
    doc: {
      summary: 'Poll an image',
      provenance,
      responses: [UnfinishedImage, CompletedImage],
      failed: FailedImage,
    },
  },
});

/** An image has two names: the one to poll with is the task's with another beginning, so that nobody confuses them. */
const toGenerationId = (taskId: string) => taskId.replace(/^task_/, 'gen_');
const toTaskId = (generationId: string) => generationId.replace(/^gen_/, 'task_');

/** For the control plane. */
export const imageClientIds = ({ id }: Task) => ({ generationId: toGenerationId(id) });

/** The answer to a request that made a task. */
export const imageAcceptedResponse = ({ id }: Task): z.output<typeof AcceptedImage> => ({
  success: true,
  generationId: toGenerationId(id),
  taskId: id,
  status: 'pending',
});

/** The polled task as it stands. @throws EmulatorError FORBIDDEN for another key's task, NOT_FOUND for any other */
export function findPolledImage(
  context: HttpContext,
  request: FastifyRequest<{ Body: { generationId: string } }>,
  family: string,
): Task {
  const { generationId } = request.body;
  const id = generationId.startsWith('gen_') ? toTaskId(generationId) : '';
  const [task] = poll(context, request, family, [id]);
  if (task) return task;
  const { id: accountId } = getAccount(request);
  if (!context.core.tasks.find(accountId, id) && context.core.tasks.existsAnywhere(id, family)) {
    throw new EmulatorError('FORBIDDEN', 'the task belongs to another account');
  }
  const hint = generationId.startsWith('task_') ? ': that is a taskId, images are polled by generationId' : '';
  throw new EmulatorError('NOT_FOUND', `no such task of ${family}${hint}`);
}

/** The answer to a poll. */
export function imageStatusResponse(
  { core, settings }: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  task: Task,
  urls: () => { imageUrl: string },
) {
  const generationId = toGenerationId(task.id);
  switch (task.status) {
    case 'processing': {
      const status = task.plan.steps[task.step]!.name;
      return {
        success: true,
        status,
        generationId,
        progress: computeProgress(task, core.tasks.elapsedMs(task)),
      };
    }
    case 'completed':
      return { success: true, status: 'completed', ...urls(), generationId, progress: 100 };
    case 'failed':
      setFailedTaskStatus(settings, request, reply);
      return { success: false, status: 'failed', error: 'Generation failed', generationId, progress: 0 };
  }
}

/** Per cent: 0 while pending, then from 1 to 99 with the time that has passed. */
function computeProgress({ plan, step }: Task, elapsedMs: number): number {
  if (step === 0) return 0;
  const stepStartMs = plan.steps[step]!.atMs;
  const share = (elapsedMs - stepStartMs) / (plan.endMs - stepStartMs);
  return Math.min(99, Math.max(1, Math.floor(share * 100)));
}
