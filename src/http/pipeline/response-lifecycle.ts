import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AbortController, type AbortSignal } from '../../core/globals.ts';

/** Callbacks to run when a connection closes, so that one listener serves all pipelined requests of a connection. */
const pendingCallbacks = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `callback` once, when the response has been sent or the connection has closed. If a client pipelines requests,
 * Node emits `close` only on the response that is being sent, hence the listener on the socket.
 */
export function onFinished(request: FastifyRequest, reply: FastifyReply, callback: () => void): void {
  const { socket } = request.raw;
  if (socket.destroyed || reply.raw.destroyed) {
    callback();
    return;
  }
  const callbacks = pendingCallbacks.get(socket) ?? watchSocket(socket);
  const runOnce = () => {
    if (!callbacks.delete(runOnce)) return;
    try {
      callback();
    } catch (error) {
      // Thrown to the connection, it would keep the other callbacks from running.
      request.log.error({ err: error }, 'work at the end of a response failed');
    }
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

/** Returns a signal that aborts when the response has been sent or the connection has closed. */
export function responseSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  onFinished(request, reply, () => controller.abort('over'));
  return controller.signal;
}
