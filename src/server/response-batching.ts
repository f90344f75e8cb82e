import type { Socket } from 'node:net';
import type { Core } from '../core/core.ts';
import type { SocketGuard } from './socket-guard.ts';

/**
 * Batches the responses of one event-loop turn and flushes them together at the end of the turn. Sending each response
 * on its own wakes the client once per response, which costs more than the rest of a poll.
 */
export function createResponseBatcher(
  { clock, transactions }: Pick<Core, 'clock' | 'transactions'>,
  guard: SocketGuard,
) {
  let pending: { socket: Socket; send: () => void }[] = [];
  const watchedSockets = new WeakSet<Socket>();

  function flush(): void {
    const batch = pending;
    pending = [];
    for (const { socket, send } of batch) guard.run(socket, send);
  }

  function flushNow(): void {
    transactions.flush();
    flush();
  }

  return {
    /** Calls `send` at the end of the current event-loop turn. If it throws, only this connection ends. */
    enqueue(socket: Socket, send: () => void): void {
      if (pending.length === 0) clock.atTurnEnd(flush);
      pending.push({ socket, send });
    },
    /**
     * Flushes early when the client half-closes the connection, which it may do together with its last request:
     * node:http ends the connection as soon as it reads that, and responses that wait for the end of the turn would be
     * lost. Needed as long as responses are batched.
     */
    flushBeforeHalfClose(socket: Socket): void {
      if (watchedSockets.has(socket)) return;
      watchedSockets.add(socket);
      socket.prependListener('end', flushNow);
    },
  };
}
