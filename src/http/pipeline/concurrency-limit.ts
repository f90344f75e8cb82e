import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import { whenOver } from './response-lifecycle.ts';

export type Room = ReturnType<typeof createRoom>;

/** Room for so many answers that take their time. Who finds none is told `code`; `why` is for the log. */
export function createRoom(most: number, code: string, why: string) {
  let taken = 0;
  const inside = new WeakSet<FastifyReply>();
  return {
    /** A place until the answer is over, however it ends; one however often it is asked for. @throws EmulatorError */
    take(request: FastifyRequest, reply: FastifyReply): void {
      if (inside.has(reply)) return;
      if (taken >= most) throw new EmulatorError(code, why);
      taken += 1;
      inside.add(reply);
      whenOver(request, reply, () => {
        taken -= 1;
      });
    },
  };
}
