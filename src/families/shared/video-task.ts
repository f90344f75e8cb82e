import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Task } from '../../core/tasks/task.ts';
import type { HttpContext } from '../../http/context.ts';
import type { ErrorTable } from '../../http/pipeline/error-table.ts';
import type { RouteProvenance } from '../../http/pipeline/route-docs.ts';
import { type Size, swapSides } from '../../rendering/content.ts';
import { setFailedTaskStatus } from '../kit/failed-task.ts';
import { requiredText } from '../kit/request-fields.ts';
import { pollOne } from '../kit/task-requests.ts';

/** In pixels, landscape. The pages name the classes; their width, and what 480p is, are ours. */
export const VIDEO_SIZES = {
  '480p': [848, 480],
  '720p': [1280, 720],
  '1080p': [1920, 1080],
  '4k': [3840, 2160],
} as const;

/** A landscape size as it was asked for. */
export const orient = (size: Size, aspectRatio: 'portrait' | 'landscape'): Size =>
  aspectRatio === 'portrait' ? swapSides(size) : size;

/*
 * What Sora 2 documents of a video task ("Sora 2 Video Generation API": generate response, check-status). SeeDance and the
 * TVC ad, whose answers are documented nowhere, are told in the same form.
 */
const taskId = z.string().regex(/^task_/);

export const AcceptedVideo = z
  .strictObject({ success: z.literal(true), status: z.literal('processing'), taskId, message: z.string() })
  .meta({ id: 'AcceptedVideo' });

const ProcessingVideo = z
  .strictObject({
    success: z.literal(true),
    status: z.literal('processing'),
    progress: z.string().meta({ description: 'The step that is being done.' }),
    message: z.string(),
    taskId,
  })
  .meta({ id: 'ProcessingVideo' });

export const CompletedVideo = z
  .strictObject({
    success: z.literal(true),
    status: z.literal('completed'),
    videoUrl: z.url(),
    taskId,
    generationTime: z.int().min(0).meta({ description: 'Whole seconds of simulated time.' }),
    creditsUsed: z.int().min(0),
  })
  .meta({ id: 'CompletedVideo' });

const FailedVideo = z
  .strictObject({
    success: z.literal(false),
    status: z.literal('failed'),
    error: z.string(),
    errorCode: z.literal('GENERATION_FAILED'),
    taskId,
  })
  .meta({ id: 'FailedVideo' });

const CheckVideoBody = z.object({ taskId: requiredText('TASK_ID_REQUIRED') });

const CHECK_ERRORS: ErrorTable = {
  TASK_ID_REQUIRED: { status: 400, error: 'Task ID is required' },
  TASK_NOT_FOUND: { status: 404, error: 'Task not found' },
};

/** The options of the route that is polled. `completed`: what a completed task is told as. */
export const videoStatusRoute = (provenance: RouteProvenance, completed: z.ZodType = CompletedVideo) => ({
  schema: { body: CheckVideoBody },
  config: {
    kind: 'poll' as const,
    errors: CHECK_ERRORS,
    doc: {
      summary: 'Poll a video',
      provenance,
      responses: [ProcessingVideo, completed],
      failed: FailedVideo,
    },
  },
});

/** The answer to a request that made a task. */
export const videoAcceptedResponse = ({ id }: Task): z.output<typeof AcceptedVideo> => ({
  success: true,
  status: 'processing',
  taskId: id,
  message: 'Video generation in progress',
});

/** The polled task as it stands. @throws EmulatorError TASK_NOT_FOUND, also for another key's or family's task */
export const findPolledVideo = (
  context: HttpContext,
  request: FastifyRequest<{ Body: { taskId: string } }>,
  family: string,
): Task => pollOne(context, request, family, request.body.taskId);

/** The answer to a poll. `result`: what a completed task has, beside what all of them have. */
export function videoStatusResponse(
  { settings }: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  task: Task,
  urls: () => { videoUrl: string; storyboardImageUrl?: string },
) {
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
    case 'completed': {
      const { videoUrl, ...otherUrls } = urls();
      return {
        success: true,
        status: 'completed',
        videoUrl,
        taskId,
        generationTime: Math.round(task.simulatedMs! / 1000),
        creditsUsed: task.price,
        ...otherUrls,
      };
    }
    case 'failed':
      setFailedTaskStatus(settings, request, reply);
      return {
        success: false,
        status: 'failed',
        error: 'Video generation failed',
        errorCode: 'GENERATION_FAILED',
        taskId,
      };
  }
}
