import * as z from 'zod';
import type { HttpContext } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import { CONTENT_TYPES, createResultServer } from '../../http/results/serve-result.ts';
import { AdminError } from '../error-codes.ts';
import { requireTask } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { TaskParams } from '../schemas.ts';

const types = Object.values(CONTENT_TYPES);

const FileParams = TaskParams.extend({
  field: z.string().meta({ description: "A field of the task's `result`, such as `videoUrl`." }),
});

/** Serves a task's files to tests and the console, without journal entries and faults. */
export function taskFileOperations(context: HttpContext, families: readonly Family[]): Operation[] {
  const { core } = context;
  const filesByFamily = new Map(families.map(({ name, files }) => [name, new Map(Object.entries(files))]));
  const resultServer = createResultServer(context);

  return [
    defineOperation({
      method: 'GET',
      path: '/accounts/:key/tasks/:id/files/:field',
      name: 'getTaskFile',
      tag: 'tasks',
      summary: 'Get a file of a task',
      description:
        'The file behind a URL in the result of the task. Supports conditional and range requests like the URL ' +
        'itself, but is not journaled, and no fault rule applies.',
      params: FileParams,
      responses: {
        200: { types, description: 'The file.' },
        206: { types, description: 'The requested byte range.' },
        304: { types: [], description: "The caller's copy is current." },
      },
      codes: [
        ...(['TASK_NOT_FOUND', 'FILE_NOT_FOUND', 'PRECONDITION_FAILED'] as const),
        ...(['RANGE_NOT_SATISFIABLE', 'TOO_MANY_IMAGES', 'TOO_MANY_OPEN_FILES', 'STOPPING'] as const),
      ],
      async handler(request, reply) {
        const task = requireTask(core, request.params);
        const { field } = request.params;
        const file = filesByFamily.get(task.family)?.get(field);
        if (!file) throw new AdminError('FILE_NOT_FOUND', `Task ${task.id} has no file ${field}.`);
        if (!resultServer.isAvailable(task)) {
          throw new AdminError('FILE_NOT_FOUND', resultServer.getUnavailableReason(task));
        }
        return resultServer.serve(file, task, request, reply);
      },
    }),
  ];
}
