import type { FastifyRequest } from 'fastify';
import * as z from 'zod';
import type { Task, TaskStatus } from '../../core/tasks/task.ts';
import { boundedText } from '../../http/account-profile.ts';
import type { HttpContext } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import { buildResultUrls } from '../../http/urls.ts';
import { AdminError } from '../error-codes.ts';
import { requireAccount, requireAccountTask, requireTask } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { PAGE_BY_TEXT, paginate } from '../pagination.ts';
import { AccountParams, TaskParams, toTimestamp, toTimestampOrNull } from '../schemas.ts';
import { getFamilySchemas } from '../state/family-schemas.ts';
import { WAIT_CODES, waitTimeoutMs, waitUntil } from '../wait.ts';

const status = z.enum(['processing', 'completed', 'failed']);
const TasksQuery = z.strictObject({
  status: status.optional().meta({ description: 'Tasks of every status when absent.' }),
  ...PAGE_BY_TEXT,
});
const FailTaskRequest = z.strictObject({
  error: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,60}$/, { error: 'expected an error code such as GENERATION_FAILED' })
    .default('GENERATION_FAILED')
    .meta({ description: 'The error code of the task.' }),
});
const WaitQuery = z.strictObject({
  task: boundedText(200).meta({ description: 'The id of the task.' }),
  status: status.optional().meta({ description: '`completed` or `failed` when absent.' }),
  timeoutMs: waitTimeoutMs,
});

/** Operations that read tasks, finish them and wait for them. */
export function taskOperations(context: HttpContext, families: readonly Family[]): Operation[] {
  const { core, settings } = context;
  const familiesByName = new Map(families.map((family) => [family.name, family]));
  const { Task: TaskSchema, Tasks } = getFamilySchemas(families);
  const getTask = (accountId: number, id: string) => requireAccountTask(core, accountId, id);

  function toTaskJson(task: Task, request: FastifyRequest) {
    const { accountId, id, family, plan, createdAtMs, dueAtMs, finishedAtMs } = task;
    const { files, clientIds } = familiesByName.get(family) ?? {};
    return {
      id,
      ...clientIds?.(task),
      family,
      status: task.status,
      price: task.price,
      input: core.tasks.getInput(accountId, id),
      plan: { steps: plan.steps, endMs: plan.endMs, outcome: plan.outcome },
      step: plan.steps[task.step]?.name ?? null,
      createdAt: toTimestamp(createdAtMs),
      dueAt: toTimestampOrNull(dueAtMs),
      finishedAt: toTimestampOrNull(finishedAtMs),
      simulatedMs: task.simulatedMs,
      result: toResultJson(task, files && buildResultUrls(request, settings, files, task)),
    };
  }

  return [
    defineOperation({
      method: 'GET',
      path: '/accounts/:key/tasks',
      name: 'listTasks',
      tag: 'tasks',
      summary: 'List the tasks of an account',
      description: 'Oldest first.',
      params: AccountParams,
      query: TasksQuery,
      responses: { 200: Tasks },
      codes: ['TASK_NOT_FOUND'],
      async handler(request) {
        const { id } = requireAccount(core, request.params);
        const { limit, after, status } = request.query;
        const afterSeq = after === '' ? 0 : getTask(id, after).seq;
        const tasks = core.tasks.list(id, limit + 1, afterSeq, status);
        const toJson = (task: Task) => toTaskJson(task, request);
        const { items, next } = await paginate(tasks, limit, (task) => task.id, toJson);
        return { tasks: items, next };
      },
    }),

    defineOperation({
      method: 'GET',
      path: '/accounts/:key/tasks/:id',
      name: 'getTask',
      tag: 'tasks',
      summary: 'Get a task',
      description: 'Includes its plan and its result.',
      params: TaskParams,
      responses: { 200: TaskSchema },
      codes: ['TASK_NOT_FOUND'],
      handler: async (request) => toTaskJson(requireTask(core, request.params), request),
    }),

    defineOperation({
      method: 'POST',
      path: '/accounts/:key/tasks/:id/complete',
      name: 'completeTask',
      tag: 'tasks',
      summary: 'Complete a task',
      description: 'Completes the task now, regardless of its plan, and captures its hold.',
      params: TaskParams,
      responses: { 200: TaskSchema },
      codes: ['TASK_NOT_FOUND', 'TASK_ENDED'],
      async handler(request) {
        const { accountId, id } = requireTask(core, request.params);
        if (!core.tasks.complete(accountId, id)) throw createTaskEndedError(getTask(accountId, id));
        return toTaskJson(getTask(accountId, id), request);
      },
    }),

    defineOperation({
      method: 'POST',
      path: '/accounts/:key/tasks/:id/fail',
      name: 'failTask',
      tag: 'tasks',
      summary: 'Fail a task',
      description: 'Fails the task now and refunds its hold.',
      params: TaskParams,
      body: FailTaskRequest,
      responses: { 200: TaskSchema },
      codes: ['TASK_NOT_FOUND', 'TASK_ENDED'],
      async handler(request) {
        const { accountId, id } = requireTask(core, request.params);
        if (!core.tasks.fail(accountId, id, request.body.error)) throw createTaskEndedError(getTask(accountId, id));
        return toTaskJson(getTask(accountId, id), request);
      },
    }),

    defineOperation({
      method: 'GET',
      path: '/accounts/:key/wait',
      name: 'waitForTask',
      tag: 'time',
      summary: 'Wait for a task',
      description:
        'Responds as soon as the task has the status. Does not advance the clock: a `frozen` clock must be advanced ' +
        'by another request.',
      params: AccountParams,
      query: WaitQuery,
      responses: { 200: TaskSchema },
      codes: ['TASK_NOT_FOUND', 'TASK_ENDED', ...WAIT_CODES],
      async handler(request, reply) {
        const { task: id, status, timeoutMs } = request.query;
        const { id: accountId } = requireAccount(core, request.params);
        await waitUntil(context, request, reply, {
          ...{
            accountId,
            timeoutMs,
            missed: `Task ${id} did not ${status === undefined ? 'end' : `reach the status ${status}`}`,
          },
          isReached: () => hasReachedStatus(getTask(accountId, id), status),
        });
        return toTaskJson(getTask(accountId, id), request);
      },
    }),
  ];
}

const createTaskEndedError = ({ id, status }: Task) => new AdminError('TASK_ENDED', id, status);

/** @throws TASK_ENDED when the task has finished with another status and can no longer reach this one */
function hasReachedStatus(task: Task, wanted: TaskStatus | undefined): boolean {
  if (task.status === wanted || (wanted === undefined && task.status !== 'processing')) return true;
  if (task.status !== 'processing') throw createTaskEndedError(task);
  return false;
}

function toResultJson({ status, errorCode }: Task, urls: object | undefined) {
  if (status === 'processing') return null;
  return status === 'completed' ? (urls ?? {}) : { errorCode };
}
