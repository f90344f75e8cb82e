import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import { Date } from '../../core/globals.ts';
import type { Task } from '../../core/tasks/task.ts';
import type { HttpContext } from '../context.ts';
import { responseSignal } from '../pipeline/response-lifecycle.ts';
import { evaluatePreconditions, parseRange } from './conditional-requests.ts';
import { getFileName, type ResultFile } from './result-file.ts';

export const CONTENT_TYPES: Record<ResultFile['extension'], string> = { mp4: 'video/mp4', jpg: 'image/jpeg' };

/** Creates functions that serve the files of tasks. Their callers decide on access. */
export function createResultServer({
  core,
  results,
  settings: { resultTtlSeconds },
}: Pick<HttpContext, 'core' | 'results' | 'settings'>) {
  /** Returns no date when the account's clock is ahead of the server's: Last-Modified may not be in the future. */
  function getLastModified(finishedAtMs: number): string | undefined {
    return finishedAtMs > core.clock.nowMs() ? undefined : new Date(finishedAtMs).toUTCString();
  }

  return {
    /** Whether the files of a task exist: it is completed, and they have not expired. */
    isAvailable({ status, accountId, finishedAtMs }: Task): boolean {
      if (status !== 'completed') return false;
      if (resultTtlSeconds === null) return true;
      return core.timeline.nowMs(core.accounts.get(accountId)) < finishedAtMs! + resultTtlSeconds * 1000;
    },

    /** Returns why the files of a task are not available. */
    getUnavailableReason: ({ id, status }: Task): string =>
      `the files of task ${id} ${status === 'completed' ? 'have expired' : `do not exist: its status is ${status}`}`,

    /**
     * Serves an available file, or a range of it, according to the preconditions of the request.
     * @param extraHeaders Headers to send with the content
     * @throws PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE
     * @throws SERVICE_UNAVAILABLE when too many images wait to be rendered
     * @throws STOPPING when the server stops meanwhile
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
        throw new EmulatorError('PRECONDITION_FAILED', 'the file does not match If-Match or If-Unmodified-Since');
      }
      const headers = {
        etag: validators.etag,
        ...(validators.lastModified && { 'last-modified': validators.lastModified }),
        'accept-ranges': 'bytes',
        // After a reset another file can have the same name.
        'cache-control': 'no-cache',
      };
      if (condition === 'not modified') return reply.code(304).headers(headers).send();

      const { size, slice } = await results.read(content, tag, name, () => responseSignal(request, reply));
      const range = request.method === 'GET' ? parseRange(request.headers, validators, size) : undefined;
      if (range === 'unsatisfiable') {
        reply.headers({ 'accept-ranges': 'bytes', 'content-range': `bytes */${size}` });
        throw new EmulatorError(
          'RANGE_NOT_SATISFIABLE',
          `the file has ${size} bytes, none of them in the range ${request.headers.range}`,
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
