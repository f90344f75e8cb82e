import type { FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';
import type { Order, Task } from '../core/task.ts';
import { accountOf, type Emulator } from './context.ts';

/**
 * Charges for what a request orders and makes its tasks, all or nothing. `chained`: each starts when the one before it has
 * ended. @throws EmulatorError INSUFFICIENT_CREDITS
 */
export function submit(
  { core }: Emulator,
  request: FastifyRequest,
  orders: readonly Order[],
  options: { chained?: boolean } = {},
): Task[] {
  return core.tasks.submit(accountOf(request).id, orders, options);
}

/** The tasks a poll names, as they stand; undefined where this account has none of that id in this family. */
export function poll(
  { core }: Emulator,
  request: FastifyRequest,
  family: string,
  ids: readonly string[],
): (Task | undefined)[] {
  const tasks = core.timeline.poll(accountOf(request).id, ids);
  return tasks.map((task) => (task?.family === family ? task : undefined));
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
