import { z } from 'zod';
import { EmulatorError } from '../../core/errors.ts';
import type { App, HttpContext } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import { CONTENT_TYPES, createResultServer } from '../../http/results/serve-result.ts';
import type { Operation } from '../operation.ts';
import { requireTask, TaskParams } from '../schemas.ts';

const TaskFileParams = TaskParams.extend({
  field: z.string().meta({ description: "A field of the task's `result`, such as `videoUrl`." }),
});

const types = Object.values(CONTENT_TYPES);

/** The call that looks at what a task has made, as nobody's client does. */
export function registerTaskFiles(app: App, context: HttpContext, families: readonly Family[]): void {
  const { core } = context;
  const filesByFamily = new Map(families.map(({ name, files }) => [name, new Map(Object.entries(files))]));
  const resultServer = createResultServer(context);

  const operation: Operation = {
    name: 'getTaskFile',
    tag: 'tasks',
    summary: 'Reads a file of a task.',
    description:
      'The one behind a field of its result, as its URL has it, with conditions and ranges. It is in no journal, and no rule strikes it.',
    responses: {
      200: { types, description: 'The file.' },
      206: { types, description: 'The part of it that `Range` asks for.' },
      304: { types: [], description: 'It is the one that the caller has.' },
    },
    codes: [
      ...(['TASK_NOT_FOUND', 'FILE_NOT_FOUND', 'PRECONDITION_FAILED'] as const),
      ...(['RANGE_NOT_SATISFIABLE', 'TOO_MANY_IMAGES', 'STOPPING'] as const),
    ],
  };
  for (const [method, config] of [
    ['GET', { operation }],
    // Fastify's own would tell how long its answer is, not the file.
    ['HEAD', {}],
  ] as const) {
    app.route({
      method,
      url: '/accounts/:key/tasks/:id/files/:field',
      exposeHeadRoute: false,
      schema: { params: TaskFileParams },
      config,
      async handler(request, reply) {
        const task = requireTask(core, request.params);
        const { field } = request.params;
        const file = filesByFamily.get(task.family)?.get(field);
        if (!file) throw new EmulatorError('FILE_NOT_FOUND', `Task ${task.id} has no file ${field}.`);
        if (!resultServer.isAvailable(task))
          throw new EmulatorError('FILE_NOT_FOUND', resultServer.getUnavailableReason(task));
        return resultServer.serve(file, task, request, reply);
      },
    });
  }
}
