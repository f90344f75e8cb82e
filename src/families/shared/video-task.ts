import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Task } from '../../core/tasks/task.ts';
import type { Emulator } from '../../http/context.ts';
import type { Problems } from '../../http/pipeline/errors.ts';
import type { Sources } from '../../http/pipeline/route-docs.ts';
import { type Size, turned } from '../../rendering/content.ts';
import { tellFailedTask } from '../kit/failed-task.ts';
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
export const oriented = (size: Size, aspectRatio: 'portrait' | 'landscape'): Size =>
  aspectRatio === 'portrait' ? turned(size) : size;

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

const CHECK_PROBLEMS: Problems = {
  TASK_ID_REQUIRED: { status: 400, error: 'Task ID is required' },
  TASK_NOT_FOUND: { status: 404, error: 'Task not found' },
};

/** The options of the route that is polled. `completed`: what a completed task is told as. */
export const checkVideo = (sources: Sources, completed: z.ZodType = CompletedVideo) => ({
  schema: { body: CheckVideoBody },
  config: {
    problems: CHECK_PROBLEMS,
    doc: {
      summary: 'Poll a video',
      sources,
      answers: [ProcessingVideo, completed],
      failed: FailedVideo,
    },
  },
});

/** The answer to a request that made a task. */
export const acceptedVideo = ({ id }: Task): z.output<typeof AcceptedVideo> => ({
  success: true,
  status: 'processing',
  taskId: id,
  message: 'Video generation in progress',
});

/** The polled task as it stands. @throws EmulatorError TASK_NOT_FOUND, also for another key's or family's task */
export const pollVideo = (
  emulator: Emulator,
  request: FastifyRequest<{ Body: { taskId: string } }>,
  family: string,
): Task => pollOne(emulator, request, family, request.body.taskId);

/** The answer to a poll. `result`: what a completed task has, beside what all of them have. */
export function tellVideo(
  { settings }: Emulator,
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
      const { videoUrl, ...more } = urls();
      return {
        success: true,
        status: 'completed',
        videoUrl,
        taskId,
        generationTime: Math.round(task.simulatedMs! / 1000),
        creditsUsed: task.price,
        ...more,
      };
    }
    case 'failed':
      tellFailedTask(settings, request, reply);
      return {
        success: false,
        status: 'failed',
        error: 'Video generation failed',
        errorCode: 'GENERATION_FAILED',
        taskId,
      };
  }
}
