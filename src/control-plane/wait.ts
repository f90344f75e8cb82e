import type { FastifyReply, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { anySignal } from '../core/abort-signals.ts';
import { AbortController } from '../core/globals.ts';
import type { HttpContext } from '../http/context.ts';
import { responseSignal } from '../http/pipeline/response-lifecycle.ts';
import { AdminError } from './error-codes.ts';
import { integerMeta } from './schemas.ts';

const MAX_WAIT_MS = 600_000;
const DEFAULT_WAIT_MS = 10_000;
const TIMEOUT_ERROR = { error: `expected whole milliseconds from 0 to ${MAX_WAIT_MS}` };

/** The query parameter `timeoutMs`. */
export const waitTimeoutMs = z
  .string()
  .regex(/^\d{1,6}$/, TIMEOUT_ERROR)
  .transform(Number)
  .pipe(z.number().max(MAX_WAIT_MS, TIMEOUT_ERROR))
  .default(DEFAULT_WAIT_MS)
  .meta({ description: 'In wall-clock time.', ...integerMeta(0, MAX_WAIT_MS), default: DEFAULT_WAIT_MS });

/** The error codes of `waitUntil`. */
export const WAIT_CODES = ['WAIT_TIMEOUT', 'ACCOUNT_CHANGED', 'STOPPING', 'TOO_MANY_LISTENERS'] as const;

interface Wait {
  accountId: number;
  /** The condition, which is checked at first and after each event of the account. Errors end the wait. */
  isReached: () => boolean;
  timeoutMs: number;
  /** The beginning of the error message after a timeout, such as "Task 1 did not end". */
  missed: string;
}

/**
 * Resolves when `isReached` returns true.
 * @throws WAIT_TIMEOUT after `timeoutMs`
 * @throws ACCOUNT_CHANGED when the account is reset, restored or removed meanwhile
 * @throws STOPPING when the emulator is stopping
 * @throws TOO_MANY_LISTENERS when too many requests are waiting already
 */
export async function waitUntil(
  { core, listenerLimit, stopping }: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { accountId, isReached, timeoutMs, missed }: Wait,
): Promise<void> {
  if (isReached()) return;
  listenerLimit.acquire(request, reply);
  const accountEnded = core.lifetimes.signalFor(accountId);
  const done = new AbortController();
  let failure: unknown;
  const signal = anySignal([done.signal, responseSignal(request, reply), stopping, accountEnded]);
  const stopListening = core.events.listen((event) => {
    // Events of type `account` are skipped because the account may be gone, which aborts `accountEnded`.
    if (event.accountId !== accountId || event.type === 'account') return;
    try {
      if (isReached()) done.abort();
    } catch (error) {
      failure = error;
      done.abort();
    }
  });
  await core.clock.sleep(timeoutMs, signal).finally(stopListening);
  if (accountEnded.aborted) throw new AdminError('ACCOUNT_CHANGED');
  if (failure !== undefined) throw failure;
  if (isReached()) return;
  if (stopping.aborted) throw new AdminError('STOPPING');
  throw new AdminError('WAIT_TIMEOUT', missed, timeoutMs);
}
