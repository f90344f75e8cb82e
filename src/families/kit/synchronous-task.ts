import type { FastifyReply, FastifyRequest } from 'fastify';
import { firstOf } from '../../core/abort-signals.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { Order } from '../../core/tasks/task.ts';
import { paceOf } from '../../core/time/clock.ts';
import { accountOf, type Emulator } from '../../http/context.ts';
import { departureOf, refuseAsAsked } from '../../http/faults/hooks.ts';
import { AskedFor } from '../../http/faults/pending-faults.ts';
import { overSignal } from '../../http/pipeline/response-lifecycle.ts';

/** The longest wait there is. */
export const FOR_EVER_MS = 2 ** 31 - 1;
/** How often it is tried to end what could not be ended. */
const RETRY_MS = 1000;

/**
 * Charges for work whose result is the answer itself and that lasts as long as the request. It takes the task's simulated
 * time on a real clock and no time on clocks that do not run by themselves. Whoever answers calls `complete` or `fail`.
 * @throws EmulatorError INSUFFICIENT_CREDITS, TOO_MANY_STREAMS
 */
export function workInRequest(
  emulator: Emulator,
  request: FastifyRequest,
  reply: FastifyReply,
  order: Order,
) {
  const { core, stopping } = emulator;
  const account = accountOf(request);
  refuseAsAsked(request, order.price);
  emulator.streams.take(request, reply);
  const departure = () => departureOf(emulator, request, order.input);
  const task = core.tasks.submitInRequest(account.id, { ...order, departure });
  if (request.entry) request.entry.worked = task.id;
  const ended = core.lives.signalOf(account.id);
  const totalMs = account.clockMode === 'real' ? task.plan.endMs / paceOf(account) : 0;
  const beganMs = core.clock.nowMs();
  const gone = overSignal(request, reply);
  const either = firstOf([gone, stopping, ended]);

  /**
   * Waits until `share` of the work's time has passed since its beginning, so that delays do not add up. False when the
   * client has left. @throws EmulatorError when the server stops, or the account's life ends
   */
  const reach = (share: number): Promise<boolean> => pause(beganMs + totalMs * share - core.clock.nowMs());

  async function pause(ms: number): Promise<boolean> {
    await core.clock.sleep(ms, either);
    if (stopping.aborted) throw new EmulatorError('STOPPING', 'the server stops');
    if (ended.aborted) throw new EmulatorError('ACCOUNT_NOT_FOUND', 'the account was reset meanwhile');
    return !gone.aborted;
  }

  return {
    task,
    reach,
    /** The same for so many milliseconds of wall time. */
    pause,
    /**
     * Waits until the work is done. @throws EmulatorError when it fails as planned, besides what `reach` throws
     */
    async finish(): Promise<void> {
      await reach(1);
      const { outcome } = task.plan;
      if (outcome.status === 'hangs') await pause(FOR_EVER_MS);
      if (outcome.status === 'failed') throw new AskedFor(outcome.errorCode);
    },
    /** Captures the hold. */
    complete: () => end(() => core.tasks.complete(account.id, task.id)),
    /** Refunds the hold; nothing when the work has ended already. */
    fail(error: unknown): boolean {
      const isTold = error instanceof EmulatorError && error.code !== 'STOPPING';
      return end(() => core.tasks.fail(account.id, task.id, isTold ? error.code : 'INTERNAL_ERROR'));
    },
  };

  /** @throws where it cannot be written down; the client gets no whole answer then, and the hold is refunded when it can be */
  function end(write: () => boolean): boolean {
    try {
      return write();
    } catch (error) {
      refundLater();
      throw error;
    }
  }

  function refundLater(): void {
    core.clock.after(RETRY_MS, () => {
      if (!core.db.open) return;
      try {
        core.tasks.fail(account.id, task.id, 'INTERNAL_ERROR');
      } catch {
        refundLater();
      }
    });
  }
}
