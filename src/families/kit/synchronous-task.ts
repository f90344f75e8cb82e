import type { FastifyReply, FastifyRequest } from 'fastify';
import { anySignal } from '../../core/abort-signals.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { Order } from '../../core/tasks/task.ts';
import { timeScale } from '../../core/time/clock.ts';
import type { HttpContext } from '../../http/context.ts';
import { planOverridesFor, throwInjectedRefusal } from '../../http/faults/hooks.ts';
import { InjectedError } from '../../http/faults/pending-faults.ts';
import { getAccount } from '../../http/pipeline/request-state.ts';
import { responseSignal } from '../../http/pipeline/response-lifecycle.ts';

/** The longest wait there is. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
/** How often it is tried to end what could not be ended. */
const RETRY_MS = 1000;

/**
 * Charges for work whose result is the answer itself and that lasts as long as the request. It takes the task's simulated
 * time on a real clock and no time on clocks that do not run by themselves. Whoever answers calls `complete` or `fail`.
 * @throws EmulatorError INSUFFICIENT_CREDITS, TOO_MANY_STREAMS
 */
export function startSynchronousTask(context: HttpContext, request: FastifyRequest, reply: FastifyReply, order: Order) {
  const { core, stopping } = context;
  const account = getAccount(request);
  throwInjectedRefusal(request, order.price);
  context.streamLimit.acquire(request, reply);
  const overrides = () => planOverridesFor(context, request, order.input);
  const task = core.tasks.submitSynchronous(account.id, { ...order, overrides });
  if (request.state.journalEntry) request.state.journalEntry.synchronousTaskId = task.id;
  const lifetimeSignal = core.lifetimes.signalFor(account.id);
  const totalMs = account.clockMode === 'real' ? task.plan.endMs / timeScale(account) : 0;
  const startedMs = core.clock.nowMs();
  const disconnectSignal = responseSignal(request, reply);
  const signal = anySignal([disconnectSignal, stopping, lifetimeSignal]);

  /**
   * Waits until `share` of the work's time has passed since its beginning, so that delays do not add up. False when the
   * client has left. @throws EmulatorError when the server stops, or the account's life ends
   */
  const waitForShare = (share: number): Promise<boolean> => pause(startedMs + totalMs * share - core.clock.nowMs());

  async function pause(ms: number): Promise<boolean> {
    await core.clock.sleep(ms, signal);
    if (stopping.aborted) throw new EmulatorError('STOPPING', 'the server stops');
    if (lifetimeSignal.aborted) throw new EmulatorError('ACCOUNT_NOT_FOUND', 'the account was reset meanwhile');
    return !disconnectSignal.aborted;
  }

  return {
    task,
    waitForShare,
    /** The same for so many milliseconds of wall time. */
    pause,
    /**
     * Waits until the work is done. @throws EmulatorError when it fails as planned, besides what `reach` throws
     */
    async finish(): Promise<void> {
      await waitForShare(1);
      const { outcome } = task.plan;
      if (outcome.status === 'hangs') await pause(MAX_TIMER_MS);
      if (outcome.status === 'failed') throw new InjectedError(outcome.errorCode);
    },
    /** Captures the hold. */
    complete: () => endOrRefund(() => core.tasks.complete(account.id, task.id)),
    /** Refunds the hold; nothing when the work has ended already. */
    fail(error: unknown): boolean {
      const hasClientCode = error instanceof EmulatorError && error.code !== 'STOPPING';
      return endOrRefund(() => core.tasks.fail(account.id, task.id, hasClientCode ? error.code : 'INTERNAL_ERROR'));
    },
  };

  /** @throws where it cannot be written down; the client gets no whole answer then, and the hold is refunded when it can be */
  function endOrRefund(write: () => boolean): boolean {
    try {
      return write();
    } catch (error) {
      refundLater();
      throw error;
    }
  }

  function refundLater(): void {
    core.clock.after(RETRY_MS, () => {
      if (!core.isOpen()) return;
      try {
        core.tasks.fail(account.id, task.id, 'INTERNAL_ERROR');
      } catch {
        refundLater();
      }
    });
  }
}
