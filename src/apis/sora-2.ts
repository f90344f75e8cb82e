import { z } from 'zod';
import { EmulatorError } from '../core/errors.ts';
import type { PlanTemplate } from '../core/plan.ts';
import type { Task } from '../core/task.ts';
import { type App, accountOf, type Emulator } from '../http/context.ts';
import { BARE_INSUFFICIENT_CREDITS, IMAGE_URLS_REQUIRED, type Problems } from '../http/errors.ts';
import { imageGivenOtherwise, imageUrls, otherImages, requiredText } from '../http/fields.ts';
import { mediaUrl } from '../http/urls.ts';

/** Sora 2 video generation. Source: vendor page "Sora 2 Video Generation API". */
const FAMILY = 'sora-2';

/** Credits by tier and seconds. */
export const PRICES = {
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

export const GenerateBody = z
  .object({
    prompt: requiredText('PROMPT_REQUIRED'),
    mode: z.enum(['textToVideo', 'imageToVideo']),
    modelTier: z.enum(['sora2', 'sora2-pro-standard', 'sora2-pro-high']).default('sora2'),
    aspectRatio: z.enum(['portrait', 'landscape']).default('portrait'),
    // The page gives no default; the cheaper one is ours.
    videoDuration: z.enum(['10', '15']).default('10'),
    imageUrls,
    ...otherImages,
  })
  .superRefine((body, refuse) => {
    const otherwise = imageGivenOtherwise(body);
    if (otherwise) refuse.addIssue({ code: 'custom', path: [otherwise], message: 'IMAGE_URLS_REQUIRED' });
    else if (body.mode === 'imageToVideo' && body.imageUrls.length === 0) {
      refuse.addIssue({ code: 'custom', path: ['imageUrls'], message: 'IMAGE_REQUIRED' });
    }
  });

export const CheckStatusBody = z.object({ taskId: requiredText('TASK_ID_REQUIRED') });

const GENERATE_PROBLEMS: Problems = {
  PROMPT_REQUIRED: { status: 400, error: 'Prompt is required' },
  INVALID_INPUT: { status: 400, error: 'Missing required parameters' },
  IMAGE_REQUIRED: { status: 400, error: 'Image is required for imageToVideo mode' },
  IMAGE_URLS_REQUIRED,
  INSUFFICIENT_CREDITS: BARE_INSUFFICIENT_CREDITS,
  GENERATION_FAILED: { status: 500, error: 'Video generation failed' },
};

const CHECK_STATUS_PROBLEMS: Problems = {
  TASK_ID_REQUIRED: { status: 400, error: 'Task ID is required' },
  TASK_NOT_FOUND: { status: 404, error: 'Task not found' },
};

export function registerSora2(app: App, emulator: Emulator): void {
  const { core, settings } = emulator;

  app.post(
    '/api/sora-2/generate',
    { schema: { body: GenerateBody }, config: { problems: GENERATE_PROBLEMS } },
    async (request) => {
      const input = request.body;
      const [task] = core.tasks.submit(accountOf(request).id, [
        {
          family: FAMILY,
          price: PRICES[input.modelTier][input.videoDuration],
          input,
          template: TEMPLATES[input.modelTier],
        },
      ]);
      return {
        success: true,
        status: 'processing',
        taskId: task!.id,
        message: 'Video generation in progress',
      };
    },
  );

  app.post(
    '/api/sora-2/check-status',
    { schema: { body: CheckStatusBody }, config: { problems: CHECK_STATUS_PROBLEMS } },
    async (request, reply) => {
      const { taskId } = request.body;
      const [task] = core.timeline.poll(accountOf(request).id, [taskId]);
      if (task?.family !== FAMILY) throw new EmulatorError('TASK_NOT_FOUND', `no such task of this account`);
      if (task.status === 'failed') {
        reply.code(settings.failedTaskStatus);
        request.errorCode = 'GENERATION_FAILED';
      }
      return answer(task, mediaUrl(request, settings, `sora/${task.id}.mp4`));
    },
  );
}

function answer(task: Task, videoUrl: string) {
  const taskId = task.id;
  switch (task.status) {
    case 'processing': {
      const progress = task.plan.steps[task.step]!.name;
      return {
        success: true,
        status: 'processing',
        progress,
        message: `Video generation ${progress}`,
        taskId,
      };
    }
    case 'completed':
      return {
        success: true,
        status: 'completed',
        videoUrl,
        taskId,
        generationTime: Math.round(task.simulatedMs! / 1000),
        creditsUsed: task.price,
      };
    case 'failed':
      return {
        success: false,
        status: 'failed',
        error: 'Video generation failed',
        errorCode: 'GENERATION_FAILED',
        taskId,
      };
  }
}
