import type { Socket } from 'node:net';
import type { Core } from '../core/core.ts';

/**
 * Lets the answers of one turn of the event loop leave one right after the other, when all requests of the turn are dealt with. The
 * first wakes the client, and the others find it awake: where each leaves by itself, waking costs more than the rest of a poll.
 */
export function createTogether({ clock, transactions }: Pick<Core, 'clock' | 'transactions'>) {
  let leaving: (() => void)[] = [];
  const watched = new WeakSet<Socket>();

  function leave(): void {
    const those = leaving;
    leaving = [];
    for (const send of those) send();
  }

  function hurry(): void {
    transactions.commit();
    leave();
  }

  return {
    /** Calls `send` when the turn is over. */
    leave(send: () => void): void {
      if (leaving.length === 0) clock.afterTurn(leave);
      leaving.push(send);
    },
    /**
     * A client may close its side together with its request. Node ends the connection as soon as it reads that, so what is
     * ready has to leave before.
     */
    watch(socket: Socket): void {
      if (watched.has(socket)) return;
      watched.add(socket);
      socket.prependListener('end', hurry);
    },
  };
}
