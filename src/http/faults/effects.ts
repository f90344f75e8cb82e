import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { anySignal } from '../../core/abort-signals.ts';
import type { Effect } from '../../core/faults/fault-rules.ts';
import type { AbortSignal } from '../../core/globals.ts';
import type { HttpContext } from '../context.ts';
import { getAccount } from '../pipeline/request-state.ts';
import { onFinished, responseSignal } from '../pipeline/response-lifecycle.ts';
import { InjectedError, LostResponse } from './pending-faults.ts';

/** The longest timer that Node supports, almost 25 days. */
const HANG_MS = 2 ** 31 - 1;

/** Closes the connection. With `reset` by a TCP reset; otherwise the client still receives what has been written. */
export function closeConnection(request: FastifyRequest, reset: boolean): void {
  const { socket } = request.raw;
  if (reset) socket.resetAndDestroy();
  else socket.destroySoon();
}

/** Closes the connection instead of sending a response. */
export function dropResponse(request: FastifyRequest, reply: FastifyReply, reset = false): void {
  reply.hijack();
  closeConnection(request, reset);
}

/** The effects of faults that do not depend on the kind of response. */
export function createEffects({ core, journal, streamLimit, stopping }: HttpContext) {
  /** Aborts when the response finishes, the client disconnects, the account's lifetime ends or the server stops. */
  function createWaitSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
    const lifetime = core.lifetimes.signalFor(getAccount(request).id);
    return anySignal([responseSignal(request, reply), stopping, lifetime]);
  }

  /**
   * Completes the journal entry and emits the `request` event of a request that gets no response. Without it,
   * listeners would consider the request in progress forever.
   */
  function recordAborted(request: FastifyRequest, reply: FastifyReply): void {
    onFinished(request, reply, () => {
      const { journalEntry: entry } = request.state;
      if (!entry || entry.status !== null || entry.durationMs !== null) return;
      entry.setDuration(reply);
      if (!core.events.hasListeners()) return;
      const detail = journal.summarize(entry);
      core.events.emit({ type: 'request', accountId: getAccount(request).id, detail });
    });
  }

  return {
    recordAborted,

    /**
     * Applies a delay, a hang, a lost connection or an error, in this order.
     * @throws LostResponse when the client gets no response
     * @throws InjectedError when the effect names an error code
     * @throws EmulatorError TOO_MANY_STREAMS when no slot is free for a delay or a hang
     */
    async apply(effect: Effect, request: FastifyRequest, reply: FastifyReply): Promise<void> {
      if (effect.delayMs !== undefined || effect.hang) streamLimit.acquire(request, reply);
      if (effect.hang || effect.reset || effect.empty) recordAborted(request, reply);
      if (effect.delayMs !== undefined) await core.clock.sleep(effect.delayMs, createWaitSignal(request, reply));
      if (effect.hang) {
        await core.clock.sleep(HANG_MS, createWaitSignal(request, reply));
        throw new LostResponse();
      }
      if (effect.reset || effect.empty) throw new LostResponse(effect.reset);
      if (effect.errorCode) throw new InjectedError(effect.errorCode, effect.status);
    },

    /**
     * Sends the first `bytes` bytes of a body and closes the connection. Content-Length is that of the whole body, so
     * that the client notices.
     */
    sendTruncated(body: Buffer, bytes: number, reply: FastifyReply): FastifyReply {
      const { raw } = reply;
      raw.writeHead(reply.statusCode, { ...reply.getHeaders(), 'content-length': body.length } as OutgoingHttpHeaders);
      raw.write(body.subarray(0, bytes), () => raw.socket?.destroySoon());
      return reply.hijack();
    },
  };
}
