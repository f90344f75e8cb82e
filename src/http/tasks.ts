import type { FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';
import type { Order, Task } from '../core/task.ts';
import { accountOf, type Emulator } from './context.ts';
import { departureOf, refuseAsAsked } from './faults.ts';

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
  refuseAsAsked(
    request,
    orders.reduce((sum, { price }) => sum + price, 0),
  );
  const asked = orders.map((order) => ({ ...order, departure: departureOf(emulator, request, order.input) }));
  const tasks = emulator.core.tasks.submit(accountOf(request).id, asked, options);
  const ids = tasks.map(({ id }) => id);
  request.entry?.taskIds.push(...ids);
  request.entry?.submitted.push(...ids);
  return tasks;
}

/** The tasks a poll names, as they stand; undefined where this account has none of that id in this family. */
export function poll(
  { core }: Emulator,
  request: FastifyRequest,
  family: string,
  ids: readonly string[],
): (Task | undefined)[] {
  const tasks = core.timeline
    .poll(accountOf(request).id, ids)
    .map((task) => (task?.family === family ? task : undefined));
  for (const task of tasks) {
    if (!task) continue;
    request.entry?.taskIds.push(task.id);
    request.entry?.polled.push({ taskId: task.id, status: task.status });
  }
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
