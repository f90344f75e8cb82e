import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../core/time/clock.ts';

/** Who is told that there is no room has this long to read it. */
const FAREWELL_MS = 1000;
/** Beyond these, who comes is not even told: telling takes room as well. */
const MOST_FAREWELLS = 100;

export interface ConnectionsOptions {
  server: Server;
  most: number;
  clock: Clock;
  /** The whole answer to who comes when there is no room. */
  refusal: string;
}

export type Connections = ReturnType<typeof boundConnections>;

/** Lets no more connections in than `most` at once. Node's own bound would end the others without a word. */
export function boundConnections({ server, most, clock, refusal }: ConnectionsOptions) {
  let inside = 0;
  const leaving = new Set<Socket>();
  const own = server.listeners('connection');
  server.removeAllListeners('connection');

  /** Answers requests that come on this connection, which has been let in. */
  function serve(socket: Socket): void {
    for (const listener of own) listener.call(server, socket);
  }

  /** False when there is no room. */
  function admit(socket: Socket): boolean {
    if (inside >= most) return false;
    inside += 1;
    socket.once('close', () => {
      inside -= 1;
    });
    return true;
  }

  function refuse(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (leaving.size >= MOST_FAREWELLS) {
      socket.destroy();
      return;
    }
    leaving.add(socket);
    const cancel = clock.after(FAREWELL_MS, () => socket.destroy());
    socket.once('close', () => {
      cancel();
      leaving.delete(socket);
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
      for (const socket of leaving) socket.destroy();
    },
  };
}
