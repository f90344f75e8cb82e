import type { FastifyReply, FastifyRequest } from 'fastify';
import { anySignal } from '../../core/abort-signals.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { Order } from '../../core/tasks/task.ts';
import { timeScale } from '../../core/time/clock.ts';
import type { HttpContext } from '../../http/context.ts';
import { planOverridesFor, throwInjectedRefusal } from '../../http/faults/hooks.ts';
import { InjectedError } from '../../http/faults/pending-faults.ts';
import { getAccount } from '../../http/pipeline/request-state.ts';
import { onFinished, responseSignal } from '../../http/pipeline/response-lifecycle.ts';

/** The longest delay of a Node timer. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
/** The interval at which a failed refund is retried. */
const RETRY_MS = 1000;

/**
 * Charges for a task whose result is the response itself, so that it lasts as long as the request: on a real clock its
 * simulated time divided by the speed, on a frozen or auto clock no time. The caller ends it with `complete` or `fail`.
 *
 * @throws INSUFFICIENT_CREDITS
 * @throws TOO_MANY_STREAMS when the limit of concurrent responses is reached
 */
export function startSynchronousTask(context: HttpContext, request: FastifyRequest, reply: FastifyReply, order: Order) {
  const { core, stopping } = context;
  const account = getAccount(request);
  throwInjectedRefusal(request, order.price);
  context.streamLimit.acquire(request, reply);
  const overrides = () => planOverridesFor(context, request, order.input);
  const task = core.tasks.submitSynchronous(account.id, { ...order, overrides });
  const { journalEntry: entry } = request.state;
  if (entry) {
    entry.synchronousTaskId = task.id;
    onFinished(request, reply, () => entry.setEnded());
    core.transactions.undoOnRollback(() => {
      entry.synchronousTaskId = null;
    });
  }
  const lifetimeSignal = core.lifetimes.signalFor(account.id);
  const totalMs = account.clockMode === 'real' ? task.plan.endMs / timeScale(account) : 0;
  const startedMs = core.clock.nowMs();
  const disconnectSignal = responseSignal(request, reply);
  const signal = anySignal([disconnectSignal, stopping, lifetimeSignal]);

  /**
   * Waits until `share` of the task's time has passed since its start, so that delays do not add up. Returns false if
   * the client has disconnected.
   *
   * @throws STOPPING when the server stops
   * @throws ACCOUNT_NOT_FOUND when the account was reset or removed
   */
  const waitForShare = (share: number): Promise<boolean> => pause(startedMs + totalMs * share - core.clock.nowMs());

  async function pause(ms: number): Promise<boolean> {
    await core.clock.sleep(ms, signal);
    if (stopping.aborted) throw new EmulatorError('STOPPING', 'the server is stopping');
    if (lifetimeSignal.aborted)
      throw new EmulatorError('ACCOUNT_NOT_FOUND', 'the account was reset during the request');
    return !disconnectSignal.aborted;
  }

  return {
    task,
    waitForShare,
    /** Like `waitForShare`, for a number of milliseconds of wall time. */
    pause,
    /**
     * Waits until the task is committed and ends. Throws like `waitForShare`.
     *
     * @throws InjectedError when a fault or the failure rate makes the task fail
     * @throws the error of SQLite when the commit fails
     */
    async finish(): Promise<void> {
      // If the commit fails, the task does not exist and has no result.
      await core.transactions.committed();
      await waitForShare(1);
      const { outcome } = task.plan;
      if (outcome.status === 'hangs') await pause(MAX_TIMER_MS);
      if (outcome.status === 'failed') throw new InjectedError(outcome.errorCode);
    },
    /** Captures the hold. */
    complete: () => endOrRefund(() => core.tasks.complete(account.id, task.id)),
    /** Refunds the hold. Does nothing if the task has ended already. */
    fail(error: unknown): boolean {
      const hasClientCode = error instanceof EmulatorError && error.code !== 'STOPPING';
      return endOrRefund(() => core.tasks.fail(account.id, task.id, hasClientCode ? error.code : 'INTERNAL_ERROR'));
    },
  };

  /**
   * Runs a write that ends the task. If it fails, it throws, so that the client does not get a complete response, and
   * the hold is refunded later.
   */
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
