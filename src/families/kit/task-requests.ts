import type { FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import type { Order, Task } from '../../core/tasks/task.ts';
import { accountOf, type Emulator } from '../../http/context.ts';
import { departureOf, refuseAsAsked } from '../../http/faults/hooks.ts';

/**
 * Charges for what a request orders and makes its tasks, all or nothing. `chained`: each starts when the one before it has
 * ended. @throws EmulatorError INSUFFICIENT_CREDITS
 */
export function submit(
  emulator: Emulator,
  request: FastifyRequest,
  orders: readonly Order[],
  options: { chained?: boolean } = {},
): Task[] {
  const isCalm = !request.trouble && emulator.core.faults.isQuiet();
  const tasks = emulator.core.tasks.submit(
    accountOf(request).id,
    isCalm ? orders : troubled(emulator, request, orders),
    options,
  );
  const { entry } = request;
  if (entry) entry.submitted = tasks.map(({ id }) => id);
  return tasks;
}

/** The orders with what is to go wrong with each. @throws AskedFor when the request is to be refused */
function troubled(emulator: Emulator, request: FastifyRequest, orders: readonly Order[]): Order[] {
  let price = 0;
  for (const order of orders) price += order.price;
  refuseAsAsked(request, price);
  return orders.map((order) => ({ ...order, departure: () => departureOf(emulator, request, order.input) }));
}

/** The tasks a poll names, as they stand; undefined where this account has none of that id in this family. */
export function poll(
  { core, journal }: Emulator,
  request: FastifyRequest,
  family: string,
  ids: readonly string[],
): (Task | undefined)[] {
  const tasks = core.timeline.poll(accountOf(request).id, ids, family);
  if (request.entry) journal.polled(request.entry, tasks);
  return tasks;
}

/** The one task a poll names. @throws EmulatorError `missing`, also for another key's or family's task */
export function pollOne(
  emulator: Emulator,
  request: FastifyRequest,
  family: string,
  id: string,
  missing = 'TASK_NOT_FOUND',
): Task {
  const [task] = poll(emulator, request, family, [id]);
  if (!task) throw new EmulatorError(missing, 'this account has no such task of this family');
  return task;
}
