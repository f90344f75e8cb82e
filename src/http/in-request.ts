import type { FastifyReply, FastifyRequest } from 'fastify';
import { paceOf } from '../core/clock.ts';
import { EmulatorError } from '../core/errors.ts';
import type { Order } from '../core/task.ts';
import { accountOf, type Emulator } from './context.ts';

/**
 * Charges for work whose result is the answer itself and that lasts as long as the request. It takes the task's simulated
 * time on a real clock and no time on clocks that do not run by themselves. Whoever answers calls `complete` or `fail`.
 * @throws EmulatorError INSUFFICIENT_CREDITS
 */
export function workInRequest(
  { core, stopping }: Emulator,
  request: FastifyRequest,
  reply: FastifyReply,
  order: Order,
) {
  const account = accountOf(request);
  const task = core.tasks.submitInRequest(account.id, order);
  const totalMs = account.clockMode === 'real' ? task.plan.endMs / paceOf(account) : 0;
  const beganMs = core.clock.nowMs();
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const either = AbortSignal.any([gone.signal, stopping]);

  return {
    task,
    /**
     * Waits until `share` of the work's time has passed since its beginning, so that delays do not add up. False when the
     * client has left. @throws EmulatorError INTERNAL_ERROR when the server stops
     */
    async reach(share: number): Promise<boolean> {
      await core.clock.sleep(beganMs + totalMs * share - core.clock.nowMs(), either);
      if (stopping.aborted) throw new EmulatorError('INTERNAL_ERROR', 'the server stops');
      return !gone.signal.aborted;
    },
    /** Captures the hold. */
    complete: () => core.tasks.complete(account.id, task.id),
    /** Refunds the hold; nothing when the work has ended already. */
    fail: (error: unknown) =>
      core.tasks.fail(account.id, task.id, error instanceof EmulatorError ? error.code : 'INTERNAL_ERROR'),
  };
}
