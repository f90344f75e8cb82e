import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AbortController, type AbortSignal } from '../../core/globals.ts';

/** Callbacks to run at the end of a response. */
const callbacksOf = new WeakMap<ServerResponse, Set<() => void>>();
/** Callbacks that end the pending responses of a connection. */
const endingsOf = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `callback` once, when the response has been sent or the connection has closed. All callbacks of a response share
 * a listener, and all responses of a connection another: if a client pipelines requests, Node emits `close` only on the
 * response that is being sent.
 */
export function onFinished(request: FastifyRequest, reply: FastifyReply, callback: () => void): void {
  const { socket } = request.raw;
  if (socket.destroyed || reply.raw.destroyed) {
    callback();
    return;
  }
  const callbacks = callbacksOf.get(reply.raw) ?? watchResponse(socket, reply.raw);
  callbacks.add(() => {
    try {
      callback();
    } catch (error) {
      // Thrown to the connection, it would keep the other callbacks from running.
      request.log.error({ err: error }, 'work at the end of a response failed');
    }
  });
}

function watchResponse(socket: Socket, response: ServerResponse): Set<() => void> {
  const callbacks = new Set<() => void>();
  callbacksOf.set(response, callbacks);
  const endings = endingsOf.get(socket) ?? watchSocket(socket);
  const end = () => {
    endings.delete(end);
    callbacksOf.delete(response);
    for (const callback of callbacks) {
      callbacks.delete(callback);
      callback();
    }
  };
  endings.add(end);
  response.once('close', end);
  return callbacks;
}

function watchSocket(socket: Socket): Set<() => void> {
  const endings = new Set<() => void>();
  endingsOf.set(socket, endings);
  socket.once('close', () => {
    for (const end of endings) end();
  });
  return endings;
}

/** Returns a signal that aborts when the response has been sent or the connection has closed. */
export function responseSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  onFinished(request, reply, () => controller.abort('over'));
  return controller.signal;
}
