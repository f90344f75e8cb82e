import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** What is to be done when a connection ends, in one listener for all the requests that wait on it. */
const waiting = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `work` once: when the answer is out, or when nobody waits for it any more. Of requests that a client has sent one behind
 * the other without waiting, Node tells only the one whose turn it is that the connection has ended.
 */
export function whenOver(request: FastifyRequest, reply: FastifyReply, work: () => void): void {
  const { socket } = request.raw;
  if (socket.destroyed || reply.raw.destroyed) {
    work();
    return;
  }
  const those = waiting.get(socket) ?? listenTo(socket);
  const once = () => {
    if (those.delete(once)) work();
  };
  those.add(once);
  reply.raw.once('close', once);
}

function listenTo(socket: Socket): Set<() => void> {
  const those = new Set<() => void>();
  waiting.set(socket, those);
  socket.once('close', () => {
    for (const once of [...those]) once();
  });
  return those;
}

/** Aborts when the answer is out, or when nobody waits for it any more. */
export function overSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const over = new AbortController();
  whenOver(request, reply, () => over.abort('over'));
  return over.signal;
}
