import type { FastifyRequest } from 'fastify';
import type { Order, Task } from '../../core/tasks/task.ts';
import type { HttpContext } from '../../http/context.ts';
import { planOverridesFor, throwInjectedRefusal } from '../../http/faults/hooks.ts';
import { getAccount } from '../../http/pipeline/request-state.ts';

/**
 * Charges for the orders of a request and creates their tasks, all or none. Each task starts when the one before it has
 * ended.
 *
 * @throws INSUFFICIENT_CREDITS
 */
export function submit(context: HttpContext, request: FastifyRequest, orders: readonly Order[]): Task[] {
  const hasNoFaults = !request.state.faults && context.core.faults.isEmpty();
  const tasks = context.core.tasks.submit(
    getAccount(request).id,
    hasNoFaults ? orders : withPlanOverrides(context, request, orders),
    { chained: true },
  );
  const { journalEntry: entry } = request.state;
  if (entry) {
    entry.setSubmitted(tasks);
    context.core.transactions.undoOnRollback(() => {
      entry.submitted = [];
    });
  }
  return tasks;
}

/** Adds the faults that apply to each order. @throws InjectedError when a fault rejects the request */
function withPlanOverrides(context: HttpContext, request: FastifyRequest, orders: readonly Order[]): Order[] {
  let price = 0;
  for (const order of orders) price += order.price;
  throwInjectedRefusal(request, price);
  return orders.map((order) => ({
    ...order,
    overrides: () => planOverridesFor(context, request, order.input),
  }));
}

/** The polled tasks in their current state; undefined for ids that are not of this account and family. */
export function poll(
  { core }: HttpContext,
  request: FastifyRequest,
  family: string,
  ids: readonly string[],
): (Task | undefined)[] {
  const tasks = core.timeline.poll(getAccount(request).id, ids, family);
  request.state.journalEntry?.setPolled(tasks.filter((task) => task !== undefined));
  return tasks;
}
