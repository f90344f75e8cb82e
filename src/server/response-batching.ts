import type { Socket } from 'node:net';
import type { Core } from '../core/core.ts';

/**
 * Lets the answers of one turn of the event loop leave one right after the other, when all requests of the turn are dealt with. The
 * first wakes the client, and the others find it awake: where each leaves by itself, waking costs more than the rest of a poll.
 */
export function createResponseBatcher({ clock, transactions }: Pick<Core, 'clock' | 'transactions'>) {
  let pending: (() => void)[] = [];
  const watched = new WeakSet<Socket>();

  function flush(): void {
    const batch = pending;
    pending = [];
    for (const send of batch) send();
  }

  function flushNow(): void {
    transactions.flush();
    flush();
  }

  return {
    /** Calls `send` when the turn is over. */
    enqueue(send: () => void): void {
      if (pending.length === 0) clock.atTurnEnd(flush);
      pending.push(send);
    },
    /**
     * A client may close its side together with its request. Node ends the connection as soon as it reads that, so what is
     * ready has to leave before.
     */
    flushBeforeHalfClose(socket: Socket): void {
      if (watched.has(socket)) return;
      watched.add(socket);
      socket.prependListener('end', flushNow);
    },
  };
}
