import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import { onFinished } from './response-lifecycle.ts';

export type ConcurrencyLimit = ReturnType<typeof createConcurrencyLimit>;

/**
 * Limits how many long-running responses, such as streams and delayed responses, are in progress at once.
 *
 * @param max Number of slots
 * @param code Error code when all slots are taken
 * @param logReason Reason for the log; API clients only see the message of `code`
 */
export function createConcurrencyLimit(max: number, code: string, logReason: string) {
  let active = 0;
  const holders = new WeakSet<FastifyReply>();
  return {
    /**
     * Takes a slot until the response finishes or the client disconnects. A response takes only one slot, however often
     * this is called.
     * @throws EmulatorError `code` when all slots are taken
     */
    acquire(request: FastifyRequest, reply: FastifyReply): void {
      if (holders.has(reply)) return;
      if (active >= max) throw new EmulatorError(code, logReason);
      active += 1;
      holders.add(reply);
      onFinished(request, reply, () => {
        active -= 1;
      });
    },
  };
}
