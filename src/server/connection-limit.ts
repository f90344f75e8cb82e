import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../core/time/clock.ts';
import { lingerAfterEarlyResponses, lingerAndClose } from './lingering-close.ts';
import type { SocketGuard } from './socket-guard.ts';

/** Time that a refused client has to read the response. */
const REFUSAL_GRACE_MS = 1000;
const MAX_PENDING_REFUSALS = 100;
/** Descriptors for everything besides connections: the database, result files, modules that are loaded on first use. */
const RESERVED_DESCRIPTORS = 128;

export interface ConnectionLimitOptions {
  server: Server;
  max: number;
  /** Maximum refused connections that are still open. Further ones are closed without a response. */
  maxPendingRefusals: number;
  clock: Clock;
  guard: SocketGuard;
  /** Returns the HTTP response, as text, to a connection over the limit. */
  createRefusal: () => string;
}

/**
 * Lowers a connection limit to what the free file descriptors allow. Without free descriptors, neither files nor modules
 * could be read.
 */
export function fitToDescriptors(
  limit: number,
  freeDescriptors: number,
): Pick<ConnectionLimitOptions, 'max' | 'maxPendingRefusals'> {
  const reserved = Math.min(RESERVED_DESCRIPTORS, freeDescriptors / 2);
  const forConnections = Math.max(2, Math.floor(freeDescriptors - reserved));
  const maxPendingRefusals = Math.min(MAX_PENDING_REFUSALS, Math.floor(forConnections / 2));
  return { max: Math.min(limit, forConnections - maxPendingRefusals), maxPendingRefusals };
}

/**
 * Limits the connections of a server to `max` at once and sends the others a response. Replaces Node's listener for
 * new connections, because `server.maxConnections` closes the connections over the limit without one. Remove this when
 * Node offers a way to respond to them.
 */
export function limitConnections({
  server,
  max,
  maxPendingRefusals,
  clock,
  guard,
  createRefusal,
}: ConnectionLimitOptions) {
  let openConnections = 0;
  const pendingRefusals = new Set<Socket>();
  const nodeListeners = server.listeners('connection');
  server.removeAllListeners('connection');

  /** Lets Node handle the requests of a connection that has been admitted. */
  function serve(socket: Socket): void {
    guard.protect(socket);
    lingerAfterEarlyResponses(socket, clock);
    for (const listener of nodeListeners) listener.call(server, socket);
  }

  /** Counts a connection until it closes. Returns false when the limit is reached. */
  function admit(socket: Socket): boolean {
    if (openConnections >= max) return false;
    openConnections += 1;
    socket.once('close', () => {
      openConnections -= 1;
    });
    return true;
  }

  function refuse(socket: Socket): void {
    guard.protect(socket);
    socket.on('error', () => socket.destroy());
    if (pendingRefusals.size >= maxPendingRefusals) {
      socket.destroy();
      return;
    }
    pendingRefusals.add(socket);
    socket.once('close', () => pendingRefusals.delete(socket));
    lingerAndClose(socket, clock, createRefusal(), REFUSAL_GRACE_MS);
  }

  server.on('connection', (socket) => (admit(socket) ? serve(socket) : refuse(socket)));

  return {
    serve,
    admit,
    /** Closes the refused connections. The server closes the others. */
    close(): void {
      for (const socket of pendingRefusals) socket.destroy();
    },
  };
}
