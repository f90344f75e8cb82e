import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { EmulatorError } from '../core/errors.ts';
import type { Task, TaskStatus } from '../core/task.ts';
import type { App, Emulator } from '../http/context.ts';
import type { Family } from '../http/family.ts';
import { mediaUrls } from '../http/urls.ts';
import {
  accountAt,
  afterText,
  moment,
  momentOrNull,
  type OfAccount,
  paged,
  pageOf,
  strict,
  text,
} from './forms.ts';

const MOST_WAIT_MS = 600_000;

const status = z.enum(['processing', 'completed', 'failed']);
const TasksQuery = strict({ status: status.optional(), ...pageOf(afterText) });
const Failure = strict({
  error: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,60}$/, { error: 'expected an error code such as GENERATION_FAILED' })
    .default('GENERATION_FAILED'),
});
const WaitQuery = strict({
  task: text(200),
  status: status.optional(),
  timeoutMs: z
    .string()
    .regex(/^\d{1,6}$/, { error: `expected whole milliseconds from 0 to ${MOST_WAIT_MS}` })
    .transform(Number)
    .pipe(z.number().max(MOST_WAIT_MS, { error: `expected whole milliseconds from 0 to ${MOST_WAIT_MS}` }))
    .default(10_000),
});

interface OfTask {
  Params: { key: string; id: string };
}

/** The calls that look at tasks, end them, and wait for them. */
export function registerTasks(app: App, emulator: Emulator, families: readonly Family[]): void {
  const { core, settings, stopping } = emulator;
  const familyOf = new Map(families.map((family) => [family.name, family]));
  const at = (params: unknown) => accountAt(core, (params as OfAccount['Params']).key);

  function taskAt(params: unknown): Task {
    const { id } = params as OfTask['Params'];
    return found(at(params).id, id);
  }

  function found(accountId: number, id: string): Task {
    const task = core.tasks.find(accountId, id);
    if (!task) throw new EmulatorError('TASK_NOT_FOUND', `There is no task ${id} of this account.`);
    return task;
  }

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

  app.get('/accounts/:key/tasks', { schema: { querystring: TasksQuery } }, async (request) => {
    const { id } = at(request.params);
    const { limit, after, status } = request.query;
    const place = after === '' ? 0 : found(id, after).seq;
    const tasks = core.tasks.list(id, limit + 1, place, status);
    const { items, next } = paged(tasks, limit, (task) => task.id);
    return { tasks: items.map((task) => shown(task, request)), next };
  });

  app.get('/accounts/:key/tasks/:id', async (request) => shown(taskAt(request.params), request));

  app.post('/accounts/:key/tasks/:id/complete', { schema: { body: strict({}) } }, async (request) => {
    const { accountId, id } = taskAt(request.params);
    if (!core.tasks.complete(accountId, id)) throw ended(id);
    return shown(found(accountId, id), request);
  });

  app.post('/accounts/:key/tasks/:id/fail', { schema: { body: Failure } }, async (request) => {
    const { accountId, id } = taskAt(request.params);
    if (!core.tasks.fail(accountId, id, request.body.error)) throw ended(id);
    return shown(found(accountId, id), request);
  });

  app.get('/accounts/:key/wait', { schema: { querystring: WaitQuery } }, async (request, reply) => {
    const { task: id, status, timeoutMs } = request.query;
    const { id: accountId } = at(request.params);
    const isThere = () => arrived(found(accountId, id), status);
    if (!isThere()) {
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const ended = core.lives.signalOf(accountId);
      await core.until(accountId, isThere, timeoutMs, AbortSignal.any([gone.signal, stopping, ended]));
      if (ended.aborted) {
        throw new EmulatorError('ACCOUNT_CHANGED', 'The account was reset, restored or removed meanwhile.');
      }
    }
    if (!isThere() && stopping.aborted) throw new EmulatorError('STOPPING', 'The emulator stops.');
    if (!isThere())
      throw new EmulatorError('WAIT_TIMEOUT', `Task ${id} was not there within ${timeoutMs} ms.`);
    return shown(found(accountId, id), request);
  });
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
