import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { firstOf } from '../../core/abort-signals.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { Task, TaskStatus } from '../../core/tasks/task.ts';
import type { App, Emulator } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import { overSignal } from '../../http/pipeline/response-lifecycle.ts';
import { mediaUrls } from '../../http/urls.ts';
import { familyAmong } from '../fault-rule-schema.ts';
import { taskOf, tasksOf } from '../response-schemas.ts';
import {
  accountAt,
  afterText,
  asNumber,
  moment,
  momentOrNull,
  OfAccount,
  OfTask,
  paged,
  pageOf,
  strict,
  taskAt,
  taskOfAccount,
  text,
} from '../schemas.ts';

const MOST_WAIT_MS = 600_000;

const status = z.enum(['processing', 'completed', 'failed']);
const TasksQuery = strict({
  status: status.optional().meta({ description: 'Every status when absent.' }),
  ...pageOf(afterText),
});
const Failure = strict({
  error: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,60}$/, { error: 'expected an error code such as GENERATION_FAILED' })
    .default('GENERATION_FAILED')
    .meta({ description: 'The code to keep with the task.' }),
});
const WaitQuery = strict({
  task: text(200).meta({ description: 'The id of the task.' }),
  status: status.optional().meta({ description: 'Either end when absent.' }),
  timeoutMs: z
    .string()
    .regex(/^\d{1,6}$/, { error: `expected whole milliseconds from 0 to ${MOST_WAIT_MS}` })
    .transform(Number)
    .pipe(z.number().max(MOST_WAIT_MS, { error: `expected whole milliseconds from 0 to ${MOST_WAIT_MS}` }))
    .default(10_000)
    .meta({ description: 'In wall time.', ...asNumber(0, MOST_WAIT_MS), default: 10_000 }),
});

/** The calls that look at tasks, end them, and wait for them. */
export function registerTasks(app: App, emulator: Emulator, families: readonly Family[]): void {
  const { core, settings, listeners, stopping } = emulator;
  const familyOf = new Map(families.map((family) => [family.name, family]));
  const at = ({ key }: OfAccount) => accountAt(core, key);
  const OneTask = taskOf(familyAmong(families));
  const found = (accountId: number, id: string) => taskOfAccount(core, accountId, id);

  function shown(task: Task, request: FastifyRequest) {
    const { accountId, id, family, plan, createdAtMs, dueAtMs, finishedAtMs } = task;
    const { files, names } = familyOf.get(family) ?? {};
    return {
      id,
      ...names?.(task),
      family,
      status: task.status,
      price: task.price,
      input: core.tasks.inputOf(accountId, id),
      plan: { steps: plan.steps, endMs: plan.endMs, outcome: plan.outcome },
      step: plan.steps[task.step]?.name ?? null,
      createdAt: moment(createdAtMs),
      dueAt: momentOrNull(dueAtMs),
      finishedAt: momentOrNull(finishedAtMs),
      simulatedMs: task.simulatedMs,
      result: resultOf(task, files && mediaUrls(request, settings, files, task)),
    };
  }

  app.get(
    '/accounts/:key/tasks',
    {
      schema: { params: OfAccount, querystring: TasksQuery },
      config: {
        call: {
          name: 'listTasks',
          tag: 'tasks',
          summary: 'Lists the tasks of an account.',
          description: 'Oldest first.',
          answers: { 200: tasksOf(OneTask) },
          codes: ['TASK_NOT_FOUND'],
        },
      },
    },
    async (request) => {
      const { id } = at(request.params);
      const { limit, after, status } = request.query;
      const place = after === '' ? 0 : found(id, after).seq;
      const tasks = core.tasks.list(id, limit + 1, place, status);
      const { items, next } = paged(tasks, limit, (task) => task.id);
      return { tasks: items.map((task) => shown(task, request)), next };
    },
  );

  app.get(
    '/accounts/:key/tasks/:id',
    {
      schema: { params: OfTask },
      config: {
        call: {
          name: 'getTask',
          tag: 'tasks',
          summary: 'Reads a task.',
          description: 'With its plan, and with what has come of it.',
          answers: { 200: OneTask },
          codes: ['TASK_NOT_FOUND'],
        },
      },
    },
    async (request) => shown(taskAt(core, request.params), request),
  );

  app.post(
    '/accounts/:key/tasks/:id/complete',
    {
      schema: { params: OfTask, body: strict({}) },
      config: {
        call: {
          name: 'completeTask',
          tag: 'tasks',
          summary: 'Lets a task end well.',
          description: 'Now, whatever its plan says; its hold is captured.',
          answers: { 200: OneTask },
          codes: ['TASK_NOT_FOUND', 'TASK_ENDED'],
        },
      },
    },
    async (request) => {
      const { accountId, id } = taskAt(core, request.params);
      if (!core.tasks.complete(accountId, id)) throw ended(id);
      return shown(found(accountId, id), request);
    },
  );

  app.post(
    '/accounts/:key/tasks/:id/fail',
    {
      schema: { params: OfTask, body: Failure },
      config: {
        call: {
          name: 'failTask',
          tag: 'tasks',
          summary: 'Lets a task fail.',
          description: 'Now; its hold is refunded.',
          answers: { 200: OneTask },
          codes: ['TASK_NOT_FOUND', 'TASK_ENDED'],
        },
      },
    },
    async (request) => {
      const { accountId, id } = taskAt(core, request.params);
      if (!core.tasks.fail(accountId, id, request.body.error)) throw ended(id);
      return shown(found(accountId, id), request);
    },
  );

  app.get(
    '/accounts/:key/wait',
    {
      schema: { params: OfAccount, querystring: WaitQuery },
      config: {
        call: {
          name: 'waitForTask',
          tag: 'time',
          summary: 'Waits for a task.',
          description:
            'Answers it as soon as it is there. It moves no clock: on a `frozen` one somebody else has to.',
          answers: { 200: OneTask },
          codes: [
            ...(['TASK_NOT_FOUND', 'WAIT_TIMEOUT', 'TASK_ENDED', 'ACCOUNT_CHANGED'] as const),
            ...(['STOPPING', 'TOO_MANY_LISTENERS'] as const),
          ],
        },
      },
    },
    async (request, reply) => {
      const { task: id, status, timeoutMs } = request.query;
      const { id: accountId } = at(request.params);
      const isThere = () => arrived(found(accountId, id), status);
      if (!isThere()) {
        listeners.take(request, reply);
        const gone = overSignal(request, reply);
        const ended = core.lives.signalOf(accountId);
        await core.until(accountId, isThere, timeoutMs, firstOf([gone, stopping, ended]));
        if (ended.aborted) {
          throw new EmulatorError('ACCOUNT_CHANGED', 'The account was reset, restored or removed meanwhile.');
        }
      }
      if (!isThere() && stopping.aborted) throw new EmulatorError('STOPPING', 'The emulator stops.');
      if (!isThere())
        throw new EmulatorError('WAIT_TIMEOUT', `Task ${id} was not there within ${timeoutMs} ms.`);
      return shown(found(accountId, id), request);
    },
  );
}

const ended = (id: string) => new EmulatorError('TASK_ENDED', `Task ${id} has ended already.`);

/** @throws EmulatorError TASK_ENDED when it has ended in another way: it will never be there */
function arrived(task: Task, wanted: TaskStatus | undefined): boolean {
  if (task.status === wanted || (wanted === undefined && task.status !== 'processing')) return true;
  if (task.status !== 'processing')
    throw new EmulatorError('TASK_ENDED', `Task ${task.id} has ${task.status}.`);
  return false;
}

function resultOf({ status, errorCode }: Task, urls: object | undefined) {
  if (status === 'processing') return null;
  return status === 'completed' ? (urls ?? {}) : { errorCode };
}
