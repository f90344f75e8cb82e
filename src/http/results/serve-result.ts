import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import type { Task } from '../../core/tasks/task.ts';
import type { HttpContext } from '../context.ts';
import { responseSignal } from '../pipeline/response-lifecycle.ts';
import { evaluatePreconditions, parseRange } from './conditional-requests.ts';
import { getFileName, type ResultFile } from './result-file.ts';

export const CONTENT_TYPES: Record<ResultFile['extension'], string> = { mp4: 'video/mp4', jpg: 'image/jpeg' };

export type ResultServer = ReturnType<typeof createResultServer>;

/** The files of tasks as answers, for whoever may have them. */
export function createResultServer({ core, results, settings }: HttpContext) {
  /** None where it would change with each answer: on an account's clock that is ahead of everybody's. */
  function getLastModified(finishedAtMs: number): string | undefined {
    return finishedAtMs > core.clock.nowMs() ? undefined : new Date(finishedAtMs).toUTCString();
  }

  return {
    /** Whether the task has its files: it is completed, and they have not expired. */
    isAvailable({ status, accountId, finishedAtMs }: Task): boolean {
      const { resultTtlSeconds } = settings;
      if (status !== 'completed') return false;
      if (resultTtlSeconds === null) return true;
      return core.timeline.nowMs(core.accounts.get(accountId)) < finishedAtMs! + resultTtlSeconds * 1000;
    },

    /** Why not, of a task without. */
    getUnavailableReason: ({ id, status }: Task): string =>
      `the files of task ${id} ${status === 'completed' ? 'have expired' : `are not there: it is ${status}`}`,

    /**
     * The file of a task that has it, or the part of it that is asked for, on the conditions of the request. `more`: headers that go
     * with its bytes.
     * @throws EmulatorError PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE, SERVICE_UNAVAILABLE, STOPPING
     */
    async serve(
      file: ResultFile,
      task: Task,
      request: FastifyRequest,
      reply: FastifyReply,
      extraHeaders: Readonly<Record<string, string>> = {},
    ): Promise<Buffer | FastifyReply> {
      const name = getFileName(file, task);
      const content = file.contentOf(core.tasks.getInput(task.accountId, task.id), task);
      const tag = results.etagFor(content, name);
      const validators = { etag: `"${tag}"`, lastModified: getLastModified(task.finishedAtMs!) };
      const condition = evaluatePreconditions(request.headers, validators);
      if (condition === 'failed') {
        throw new EmulatorError(
          'PRECONDITION_FAILED',
          'the file is not the one that If-Match or If-Unmodified-Since asks for',
        );
      }
      const headers = {
        etag: validators.etag,
        ...(validators.lastModified && { 'last-modified': validators.lastModified }),
        'accept-ranges': 'bytes',
        // A reset can bring another file under the same name.
        'cache-control': 'no-cache',
      };
      if (condition === 'not modified') return reply.code(304).headers(headers).send();

      const { size, slice } = await results.read(content, tag, name, () => responseSignal(request, reply));
      const range = request.method === 'GET' ? parseRange(request.headers, validators, size) : undefined;
      if (range === 'unsatisfiable') {
        reply.headers({ 'accept-ranges': 'bytes', 'content-range': `bytes */${size}` });
        throw new EmulatorError(
          'RANGE_NOT_SATISFIABLE',
          `the file has ${size} bytes, and none in the range ${request.headers.range}`,
        );
      }
      if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`);
      const [start, end] = range ? [range.start, range.end + 1] : [0, size];
      reply.headers({
        ...headers,
        'content-type': CONTENT_TYPES[file.extension],
        'content-length': end - start,
        ...extraHeaders,
      });
      return request.method === 'HEAD' ? reply.send('') : slice(start, end);
    },
  };
}
