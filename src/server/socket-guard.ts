import { IncomingMessage, type Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

export type SocketGuard = ReturnType<typeof createSocketGuard>;

/**
 * Confines an error that a listener of a server, connection, request or response throws to that connection: it is logged
 * and the connection is destroyed. Node would end the process, so one client could take it from all others. Node's
 * `captureRejections` only covers promises.
 *
 * Other errors still end the process, with their stack and an exit code. The command does not handle
 * `uncaughtException`: after an error in an unknown place the state may be inconsistent, while a restart recovers
 * everything that was committed.
 */
export function createSocketGuard(onError: (error: unknown) => void) {
  const guarded = new WeakSet<Socket>();

  function fail(socket: Socket, error: unknown): void {
    onError(error);
    socket.destroy();
  }

  class GuardedRequest extends IncomingMessage {
    override emit(event: string | symbol, ...args: unknown[]): boolean {
      try {
        return super.emit(event as string, ...args);
      } catch (error) {
        fail(this.socket, error);
        return true;
      }
    }
  }

  class GuardedResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
    override emit(event: string | symbol, ...args: unknown[]): boolean {
      try {
        return super.emit(event, ...args);
      } catch (error) {
        // When a response is finished, it is already detached from its connection.
        fail(this.req.socket, error);
        return true;
      }
    }
  }

  return {
    /** Classes for `createServer` that guard all listeners of requests and responses, such as of `finish`. */
    messageClasses: { IncomingMessage: GuardedRequest, ServerResponse: GuardedResponse },

    /** Runs `work` on behalf of a connection. */
    run(socket: Socket, work: () => void): void {
      try {
        work();
      } catch (error) {
        fail(socket, error);
      }
    },

    /** Guards all listeners of a connection, including those added later. */
    protect(socket: Socket): void {
      if (guarded.has(socket)) return;
      guarded.add(socket);
      // A client that disconnects is not a failure. Between two owners, such as Node's parser and a tunnel, a connection has
      // no other listener, and the error of a write would count as thrown.
      socket.on('error', () => {});
      const emit = socket.emit as Emit;
      socket.emit = (...args: Parameters<Emit>) => {
        try {
          return emit.apply(socket, args);
        } catch (error) {
          fail(socket, error);
          return true;
        }
      };
    },

    /** Guards all listeners of a server whose event concerns a connection, such as `request` and `clientError`. */
    protectServer(server: Server): void {
      const emit = server.emit as Emit;
      server.emit = (event: string | symbol, ...args: unknown[]) => {
        try {
          return emit.call(server, event, ...args);
        } catch (error) {
          const socket = findSocket(args);
          if (!socket) throw error;
          fail(socket, error);
          return true;
        }
      };
    },
  };
}

function findSocket(args: readonly unknown[]): Socket | undefined {
  const socket = args.find((arg) => arg instanceof Socket) ?? (args[0] as { socket?: unknown } | undefined)?.socket;
  return socket instanceof Socket ? socket : undefined;
}
