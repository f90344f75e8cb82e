import type { FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import type { Order, Task } from '../../core/tasks/task.ts';
import type { HttpContext } from '../../http/context.ts';
import { planOverridesFor, throwInjectedRefusal } from '../../http/faults/hooks.ts';
import { getAccount } from '../../http/pipeline/request-state.ts';

/**
 * Charges for what a request orders and makes its tasks, all or nothing. `chained`: each starts when the one before it has
 * ended. @throws EmulatorError INSUFFICIENT_CREDITS
 */
export function submit(
  context: HttpContext,
  request: FastifyRequest,
  orders: readonly Order[],
  options: { chained?: boolean } = {},
): Task[] {
  const hasNoFaults = !request.state.faults && context.core.faults.isEmpty();
  const tasks = context.core.tasks.submit(
    getAccount(request).id,
    hasNoFaults ? orders : withPlanOverrides(context, request, orders),
    options,
  );
  const { journalEntry: entry } = request.state;
  if (entry) entry.submitted = tasks.map(({ id }) => id);
  return tasks;
}

/** The orders with what is to go wrong with each. @throws AskedFor when the request is to be refused */
function withPlanOverrides(context: HttpContext, request: FastifyRequest, orders: readonly Order[]): Order[] {
  let price = 0;
  for (const order of orders) price += order.price;
  throwInjectedRefusal(request, price);
  return orders.map((order) => ({
    ...order,
    overrides: () => planOverridesFor(context, request, order.input),
  }));
}

/** The tasks a poll names, as they stand; undefined where this account has none of that id in this family. */
export function poll(
  { core, journal }: HttpContext,
  request: FastifyRequest,
  family: string,
  ids: readonly string[],
): (Task | undefined)[] {
  const tasks = core.timeline.poll(getAccount(request).id, ids, family);
  if (request.state.journalEntry) journal.recordPoll(request.state.journalEntry, tasks);
  return tasks;
}

/** The one task a poll names. @throws EmulatorError `missing`, also for another key's or family's task */
export function pollOne(
  context: HttpContext,
  request: FastifyRequest,
  family: string,
  id: string,
  missingCode = 'TASK_NOT_FOUND',
): Task {
  const [task] = poll(context, request, family, [id]);
  if (!task) throw new EmulatorError(missingCode, 'this account has no such task of this family');
  return task;
}
