import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../core/time/clock.ts';

/** Who is told that there is no room has this long to read it. */
const REFUSAL_GRACE_MS = 1000;
/** Beyond these, who comes is not even told: telling takes room as well. */
const MAX_PENDING_REFUSALS = 100;

export interface ConnectionLimitOptions {
  server: Server;
  max: number;
  clock: Clock;
  /** The whole answer to who comes when there is no room. */
  refusal: string;
}

export type ConnectionLimit = ReturnType<typeof limitConnections>;

/** Lets no more connections in than `most` at once. Node's own bound would end the others without a word. */
export function limitConnections({ server, max, clock, refusal }: ConnectionLimitOptions) {
  let openConnections = 0;
  const pendingRefusals = new Set<Socket>();
  const nodeListeners = server.listeners('connection');
  server.removeAllListeners('connection');

  /** Answers requests that come on this connection, which has been let in. */
  function serve(socket: Socket): void {
    for (const listener of nodeListeners) listener.call(server, socket);
  }

  /** False when there is no room. */
  function admit(socket: Socket): boolean {
    if (openConnections >= max) return false;
    openConnections += 1;
    socket.once('close', () => {
      openConnections -= 1;
    });
    return true;
  }

  function refuse(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (pendingRefusals.size >= MAX_PENDING_REFUSALS) {
      socket.destroy();
      return;
    }
    pendingRefusals.add(socket);
    const cancel = clock.after(REFUSAL_GRACE_MS, () => socket.destroy());
    socket.once('close', () => {
      cancel();
      pendingRefusals.delete(socket);
    });
    // What it has sent is read: a connection that is closed with something unread is reset, and the answer with it.
    socket.resume().end(refusal);
  }

  server.on('connection', (socket) => (admit(socket) ? serve(socket) : refuse(socket)));

  return {
    serve,
    admit,
    /** Those that were refused go at once; the others are for the server to end. */
    close(): void {
      for (const socket of pendingRefusals) socket.destroy();
    },
  };
}
