import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import { onFinished } from './response-lifecycle.ts';

export type ConcurrencyLimit = ReturnType<typeof createConcurrencyLimit>;

/** Room for so many answers that take their time. Who finds none is told `code`; `why` is for the log. */
export function createConcurrencyLimit(max: number, code: string, logReason: string) {
  let active = 0;
  const holders = new WeakSet<FastifyReply>();
  return {
    /** A place until the answer is over, however it ends; one however often it is asked for. @throws EmulatorError */
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
