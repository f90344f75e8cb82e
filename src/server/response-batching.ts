import type { Socket } from 'node:net';
import type { Core } from '../core/core.ts';
import type { SocketGuard } from './socket-guard.ts';

/** Responses of at least this size do not all have to be sent in the same turn. */
const LARGE_RESPONSE_BYTES = 64 * 1024;
/** No more large responses are sent in a turn that has sent this much. Sending 4 MiB takes about a millisecond. */
const MAX_LARGE_BYTES_PER_TURN = 4 * 1024 * 1024;

interface PendingResponse {
  socket: Socket;
  bytes: number;
  send: () => void;
}

/**
 * Batches the responses of one event-loop turn and flushes them together at the end of the turn. Sending each response
 * on its own wakes the client once per response, which costs more than the rest of a poll.
 *
 * Large responses are spread over several turns: a few hundred clients that request the largest page at once would
 * otherwise occupy the event loop for a third of a second.
 */
export function createResponseBatcher(
  { clock, transactions }: Pick<Core, 'clock' | 'transactions'>,
  guard: SocketGuard,
) {
  let pending: PendingResponse[] = [];
  let isScheduled = false;
  /** Size of the large responses that this turn has sent. */
  let largeBytes = 0;
  const watchedSockets = new WeakSet<Socket>();

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    clock.atTurnEnd(() => {
      isScheduled = false;
      flush();
      largeBytes = 0;
    });
  }

  /** Sends what is due: all small responses, those of `endingSocket`, and some of the large ones. */
  function flush(endingSocket?: Socket): void {
    const due: PendingResponse[] = [];
    const waiting: PendingResponse[] = [];
    for (const response of pending) {
      const isLarge = response.bytes >= LARGE_RESPONSE_BYTES;
      const mustWait = isLarge && largeBytes >= MAX_LARGE_BYTES_PER_TURN && response.socket !== endingSocket;
      (mustWait ? waiting : due).push(response);
      if (isLarge && !mustWait) largeBytes += response.bytes;
    }
    pending = waiting;
    if (waiting.length > 0) schedule();
    for (const { socket, send } of due) guard.run(socket, send);
  }

  return {
    /**
     * Calls `send` at the end of the current event-loop turn, or of a later one if the response is large. If it throws,
     * only this connection ends.
     */
    enqueue(response: PendingResponse): void {
      schedule();
      pending.push(response);
    },
    /**
     * Flushes early when the client half-closes the connection, which it may do together with its last request:
     * node:http ends the connection as soon as it reads that, and responses that wait for the end of the turn would be
     * lost. Needed as long as responses are batched.
     */
    flushBeforeHalfClose(socket: Socket): void {
      if (watchedSockets.has(socket)) return;
      watchedSockets.add(socket);
      socket.prependListener('end', () => {
        transactions.flush();
        flush(socket);
      });
    },
  };
}
