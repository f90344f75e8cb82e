import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { anySignal } from '../../core/abort-signals.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { Task, TaskStatus } from '../../core/tasks/task.ts';
import type { App, HttpContext } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import { responseSignal } from '../../http/pipeline/response-lifecycle.ts';
import { buildResultUrls } from '../../http/urls.ts';
import { createFamilySchema } from '../fault-rule-schema.ts';
import { createTaskListSchema, createTaskSchema } from '../response-schemas.ts';
import {
  AccountParams,
  boundedText,
  integerMeta,
  paginate,
  paginationParams,
  requireAccount,
  requireAccountTask,
  requireTask,
  strict,
  TaskParams,
  textCursor,
  toTimestamp,
  toTimestampOrNull,
} from '../schemas.ts';

const MAX_WAIT_MS = 600_000;

const status = z.enum(['processing', 'completed', 'failed']);
const TasksQuery = strict({
  status: status.optional().meta({ description: 'Every status when absent.' }),
  ...paginationParams(textCursor),
});
const FailTaskRequest = strict({
  error: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,60}$/, { error: 'expected an error code such as GENERATION_FAILED' })
    .default('GENERATION_FAILED')
    .meta({ description: 'The code to keep with the task.' }),
});
const WaitQuery = strict({
  task: boundedText(200).meta({ description: 'The id of the task.' }),
  status: status.optional().meta({ description: 'Either end when absent.' }),
  timeoutMs: z
    .string()
    .regex(/^\d{1,6}$/, { error: `expected whole milliseconds from 0 to ${MAX_WAIT_MS}` })
    .transform(Number)
    .pipe(z.number().max(MAX_WAIT_MS, { error: `expected whole milliseconds from 0 to ${MAX_WAIT_MS}` }))
    .default(10_000)
    .meta({ description: 'In wall time.', ...integerMeta(0, MAX_WAIT_MS), default: 10_000 }),
});

/** The calls that look at tasks, end them, and wait for them. */
export function registerTasks(app: App, context: HttpContext, families: readonly Family[]): void {
  const { core, settings, listenerLimit, stopping } = context;
  const familiesByName = new Map(families.map((family) => [family.name, family]));
  const accountFor = ({ key }: AccountParams) => requireAccount(core, key);
  const TaskSchema = createTaskSchema(createFamilySchema(families));
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

  app.get(
    '/accounts/:key/tasks',
    {
      schema: { params: AccountParams, querystring: TasksQuery },
      config: {
        operation: {
          name: 'listTasks',
          tag: 'tasks',
          summary: 'Lists the tasks of an account.',
          description: 'Oldest first.',
          responses: { 200: createTaskListSchema(TaskSchema) },
          codes: ['TASK_NOT_FOUND'],
        },
      },
    },
    async (request) => {
      const { id } = accountFor(request.params);
      const { limit, after, status } = request.query;
      const afterSeq = after === '' ? 0 : getTask(id, after).seq;
      const tasks = core.tasks.list(id, limit + 1, afterSeq, status);
      const { items, next } = paginate(tasks, limit, (task) => task.id);
      return { tasks: items.map((task) => toTaskJson(task, request)), next };
    },
  );

  app.get(
    '/accounts/:key/tasks/:id',
    {
      schema: { params: TaskParams },
      config: {
        operation: {
          name: 'getTask',
          tag: 'tasks',
          summary: 'Reads a task.',
          description: 'With its plan, and with what has come of it.',
          responses: { 200: TaskSchema },
          codes: ['TASK_NOT_FOUND'],
        },
      },
    },
    async (request) => toTaskJson(requireTask(core, request.params), request),
  );

  app.post(
    '/accounts/:key/tasks/:id/complete',
    {
      schema: { params: TaskParams, body: strict({}) },
      config: {
        operation: {
          name: 'completeTask',
          tag: 'tasks',
          summary: 'Lets a task end well.',
          description: 'Now, whatever its plan says; its hold is captured.',
          responses: { 200: TaskSchema },
          codes: ['TASK_NOT_FOUND', 'TASK_ENDED'],
        },
      },
    },
    async (request) => {
      const { accountId, id } = requireTask(core, request.params);
      if (!core.tasks.complete(accountId, id)) throw createTaskEndedError(id);
      return toTaskJson(getTask(accountId, id), request);
    },
  );

  app.post(
    '/accounts/:key/tasks/:id/fail',
    {
      schema: { params: TaskParams, body: FailTaskRequest },
      config: {
        operation: {
          name: 'failTask',
          tag: 'tasks',
          summary: 'Lets a task fail.',
          description: 'Now; its hold is refunded.',
          responses: { 200: TaskSchema },
          codes: ['TASK_NOT_FOUND', 'TASK_ENDED'],
        },
      },
    },
    async (request) => {
      const { accountId, id } = requireTask(core, request.params);
      if (!core.tasks.fail(accountId, id, request.body.error)) throw createTaskEndedError(id);
      return toTaskJson(getTask(accountId, id), request);
    },
  );

  app.get(
    '/accounts/:key/wait',
    {
      schema: { params: AccountParams, querystring: WaitQuery },
      config: {
        operation: {
          name: 'waitForTask',
          tag: 'time',
          summary: 'Waits for a task.',
          description: 'Answers it as soon as it is there. It moves no clock: on a `frozen` one somebody else has to.',
          responses: { 200: TaskSchema },
          codes: [
            ...(['TASK_NOT_FOUND', 'WAIT_TIMEOUT', 'TASK_ENDED', 'ACCOUNT_CHANGED'] as const),
            ...(['STOPPING', 'TOO_MANY_LISTENERS'] as const),
          ],
        },
      },
    },
    async (request, reply) => {
      const { task: id, status, timeoutMs } = request.query;
      const { id: accountId } = accountFor(request.params);
      const isReached = () => hasReachedStatus(getTask(accountId, id), status);
      if (!isReached()) {
        listenerLimit.acquire(request, reply);
        const responseEnded = responseSignal(request, reply);
        const accountEnded = core.lifetimes.signalFor(accountId);
        await core.events.waitFor(accountId, isReached, timeoutMs, anySignal([responseEnded, stopping, accountEnded]));
        if (accountEnded.aborted) {
          throw new EmulatorError('ACCOUNT_CHANGED', 'The account was reset, restored or removed meanwhile.');
        }
      }
      if (!isReached() && stopping.aborted) throw new EmulatorError('STOPPING', 'The emulator stops.');
      if (!isReached()) throw new EmulatorError('WAIT_TIMEOUT', `Task ${id} was not there within ${timeoutMs} ms.`);
      return toTaskJson(getTask(accountId, id), request);
    },
  );
}

const createTaskEndedError = (id: string) => new EmulatorError('TASK_ENDED', `Task ${id} has ended already.`);

/** @throws EmulatorError TASK_ENDED when it has ended in another way: it will never be there */
function hasReachedStatus(task: Task, wanted: TaskStatus | undefined): boolean {
  if (task.status === wanted || (wanted === undefined && task.status !== 'processing')) return true;
  if (task.status !== 'processing') throw new EmulatorError('TASK_ENDED', `Task ${task.id} has ${task.status}.`);
  return false;
}

function toResultJson({ status, errorCode }: Task, urls: object | undefined) {
  if (status === 'processing') return null;
  return status === 'completed' ? (urls ?? {}) : { errorCode };
}
