import * as z from 'zod';
import type { Task } from '../../core/tasks/task.ts';
import { createError, type ErrorTable } from '../../http/pipeline/error-table.ts';
import { type Size, swapSides } from '../../rendering/content.ts';
import type { Poll, TaskResponses } from '../kit/define-task-family.ts';
import { requestFields } from '../kit/request-fields.ts';

/** Landscape sizes in pixels. The vendor's pages name the classes; the widths and the size of 480p are assumed. */
export const VIDEO_SIZES = {
  '480p': [848, 480],
  '720p': [1280, 720],
  '1080p': [1920, 1080],
  '4k': [3840, 2160],
} as const;

/** Swaps width and height of a landscape size if the request is for portrait. */
export const orient = (size: Size, aspectRatio: 'portrait' | 'landscape'): Size =>
  aspectRatio === 'portrait' ? swapSides(size) : size;

/*
 * The responses of Sora 2. Source: vendor page "Sora 2 Video Generation API", generate response and check-status. The
 * responses of SeeDance and the TVC ad are not documented; we assume that they have the same form.
 */
const taskId = z.string().regex(/^task_/);

const AcceptedVideo = z
  .strictObject({ success: z.literal(true), status: z.literal('processing'), taskId, message: z.string() })
  .meta({ id: 'AcceptedVideo' });

const ProcessingVideo = z
  .strictObject({
    success: z.literal(true),
    status: z.literal('processing'),
    progress: z.string().meta({ description: 'The current step.' }),
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

const POLL_ERRORS = {
  TASK_ID_REQUIRED: { status: 400, error: 'Task ID is required' },
  TASK_NOT_FOUND: { status: 404, error: 'Task not found' },
} satisfies ErrorTable;

const PollBody = z.object({ taskId: requestFields(POLL_ERRORS).requiredText('TASK_ID_REQUIRED') });

/** A task of one video. `completed` is the response schema of a completed task that has more files than the video. */
export const videoTask = (completed: z.ZodType = CompletedVideo): TaskResponses<typeof PollBody> => ({
  accepted: AcceptedVideo,
  toAccepted: ([task]) => ({
    success: true,
    status: 'processing',
    taskId: task!.id,
    message: 'Video generation in progress',
  }),
  poll: {
    summary: 'Poll a video',
    body: PollBody,
    errors: POLL_ERRORS,
    responses: [ProcessingVideo, completed],
    failed: FailedVideo,
    toTaskIds: ({ taskId }) => [taskId],
    respond: ([task], _body, poll) => {
      if (!task) throw createError(POLL_ERRORS, 'TASK_NOT_FOUND', 'this account has no such task of this family');
      return toStatusResponse(task, poll);
    },
  },
});

function toStatusResponse(task: Task, { urlsOf }: Poll) {
  const { id: taskId, status } = task;
  switch (status) {
    case 'processing': {
      const progress = task.plan.steps[task.step]!.name;
      return { success: true, status, progress, message: `Video generation ${progress}`, taskId };
    }
    case 'completed': {
      const { videoUrl, ...otherUrls } = urlsOf(task);
      const generationTime = Math.round(task.simulatedMs! / 1000);
      return { success: true, status, videoUrl, taskId, generationTime, creditsUsed: task.price, ...otherUrls };
    }
    case 'failed':
      return { success: false, status, error: 'Video generation failed', errorCode: 'GENERATION_FAILED', taskId };
  }
}
