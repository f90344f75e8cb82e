import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** What is to be done when a connection ends, in one listener for all the requests that wait on it. */
const pendingCallbacks = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `work` once: when the answer is out, or when nobody waits for it any more. Of requests that a client has sent one behind
 * the other without waiting, Node tells only the one whose turn it is that the connection has ended.
 */
export function onFinished(request: FastifyRequest, reply: FastifyReply, callback: () => void): void {
  const { socket } = request.raw;
  if (socket.destroyed || reply.raw.destroyed) {
    callback();
    return;
  }
  const callbacks = pendingCallbacks.get(socket) ?? watchSocket(socket);
  const runOnce = () => {
    if (callbacks.delete(runOnce)) callback();
  };
  callbacks.add(runOnce);
  reply.raw.once('close', runOnce);
}

function watchSocket(socket: Socket): Set<() => void> {
  const callbacks = new Set<() => void>();
  pendingCallbacks.set(socket, callbacks);
  socket.once('close', () => {
    for (const callback of [...callbacks]) callback();
  });
  return callbacks;
}

/** Aborts when the answer is out, or when nobody waits for it any more. */
export function responseSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  onFinished(request, reply, () => controller.abort('over'));
  return controller.signal;
}
