import type { FastifyReply, FastifyRequest } from 'fastify';
import { firstOf } from '../../core/abort-signals.ts';
import type { Effect } from '../../core/faults/fault-rules.ts';
import { accountOf, type Emulator } from '../context.ts';
import { overSignal, whenOver } from '../pipeline/response-lifecycle.ts';
import { AskedFor } from './pending-faults.ts';

/** A promise that is never kept: what waits for it never goes on, and is forgotten with the request. */
export const never = () => new Promise<never>(() => {});

/** Ends the connection without another word: `reset` as if the network did it, else as if the server did. */
export function hangUp(request: FastifyRequest, reset: boolean): void {
  const { socket } = request.raw;
  if (reset) socket.resetAndDestroy();
  // What has been written still arrives.
  else socket.destroySoon();
}

export function cutOff(request: FastifyRequest, reset: boolean): Promise<never> {
  hangUp(request, reset);
  return never();
}

/** What can be done to an answer of any kind. */
export function createEffects({ core, journal, streams, stopping }: Emulator) {
  /** Aborts when nobody waits for the answer any more. */
  function overOf(request: FastifyRequest, reply: FastifyReply): AbortSignal {
    const life = core.lives.signalOf(accountOf(request).id);
    return firstOf([overSignal(request, reply), stopping, life]);
  }

  /** An answer that nobody will get is told of like one that somebody got: else who listens takes it to be under way for ever. */
  function tellLoss(request: FastifyRequest, reply: FastifyReply): void {
    whenOver(request, reply, () => {
      const { entry } = request;
      if (!entry || entry.status !== null || entry.durationMs !== null) return;
      journal.lost(entry, reply);
      if (!core.events.isHeard()) return;
      const detail = journal.summary(entry);
      core.events.emit({ type: 'request', accountId: accountOf(request).id, detail });
    });
  }

  return {
    /**
     * Delay, hang, lost connection, error. @throws AskedFor, EmulatorError TOO_MANY_STREAMS; never returns where the answer is
     * lost
     */
    async befall(effect: Effect, request: FastifyRequest, reply: FastifyReply): Promise<void> {
      if (effect.delayMs !== undefined || effect.hang) streams.take(request, reply);
      if (effect.hang || effect.reset || effect.empty) tellLoss(request, reply);
      if (effect.delayMs !== undefined) await core.clock.sleep(effect.delayMs, overOf(request, reply));
      if (effect.hang) {
        await core.clock.sleep(2 ** 31 - 1, overOf(request, reply));
        await cutOff(request, false);
      }
      if (effect.reset || effect.empty) await cutOff(request, effect.reset === true);
      if (effect.errorCode) throw new AskedFor(effect.errorCode, effect.status);
    },

    /** The first bytes of the answer, which says how long it would have been, and the end of the connection. */
    truncated(body: Buffer, bytes: number, reply: FastifyReply): Promise<never> {
      const { raw } = reply;
      raw.writeHead(reply.statusCode, { ...reply.getHeaders(), 'content-length': body.length } as never);
      raw.write(body.subarray(0, bytes), () => raw.socket?.destroySoon());
      return never();
    },
  };
}
