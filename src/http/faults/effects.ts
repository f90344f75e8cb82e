import type { FastifyReply, FastifyRequest } from 'fastify';
import { anySignal } from '../../core/abort-signals.ts';
import type { Effect } from '../../core/faults/fault-rules.ts';
import type { HttpContext } from '../context.ts';
import { getAccount } from '../pipeline/request-state.ts';
import { onFinished, responseSignal } from '../pipeline/response-lifecycle.ts';
import { InjectedError } from './pending-faults.ts';

/** A promise that is never kept: what waits for it never goes on, and is forgotten with the request. */
export const suspend = () => new Promise<never>(() => {});

/** Ends the connection without another word: `reset` as if the network did it, else as if the server did. */
export function closeConnection(request: FastifyRequest, reset: boolean): void {
  const { socket } = request.raw;
  if (reset) socket.resetAndDestroy();
  // What has been written still arrives.
  else socket.destroySoon();
}

export function abortConnection(request: FastifyRequest, reset: boolean): Promise<never> {
  closeConnection(request, reset);
  return suspend();
}

/** What can be done to an answer of any kind. */
export function createEffects({ core, journal, streamLimit, stopping }: HttpContext) {
  /** Aborts when nobody waits for the answer any more. */
  function createWaitSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
    const lifetime = core.lifetimes.signalFor(getAccount(request).id);
    return anySignal([responseSignal(request, reply), stopping, lifetime]);
  }

  /** An answer that nobody will get is told of like one that somebody got: else who listens takes it to be under way for ever. */
  function recordAborted(request: FastifyRequest, reply: FastifyReply): void {
    onFinished(request, reply, () => {
      const { journalEntry: entry } = request.state;
      if (!entry || entry.status !== null || entry.durationMs !== null) return;
      journal.recordAborted(entry, reply);
      if (!core.events.hasListeners()) return;
      const detail = journal.summarize(entry);
      core.events.emit({ type: 'request', accountId: getAccount(request).id, detail });
    });
  }

  return {
    /**
     * Delay, hang, lost connection, error. @throws AskedFor, EmulatorError TOO_MANY_STREAMS; never returns where the answer is
     * lost
     */
    async apply(effect: Effect, request: FastifyRequest, reply: FastifyReply): Promise<void> {
      if (effect.delayMs !== undefined || effect.hang) streamLimit.acquire(request, reply);
      if (effect.hang || effect.reset || effect.empty) recordAborted(request, reply);
      if (effect.delayMs !== undefined) await core.clock.sleep(effect.delayMs, createWaitSignal(request, reply));
      if (effect.hang) {
        await core.clock.sleep(2 ** 31 - 1, createWaitSignal(request, reply));
        await abortConnection(request, false);
      }
      if (effect.reset || effect.empty) await abortConnection(request, effect.reset === true);
      if (effect.errorCode) throw new InjectedError(effect.errorCode, effect.status);
    },

    /** The first bytes of the answer, which says how long it would have been, and the end of the connection. */
    sendTruncated(body: Buffer, bytes: number, reply: FastifyReply): Promise<never> {
      const { raw } = reply;
      raw.writeHead(reply.statusCode, { ...reply.getHeaders(), 'content-length': body.length } as never);
      raw.write(body.subarray(0, bytes), () => raw.socket?.destroySoon());
      return suspend();
    },
  };
}
