import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** The addresses of `localhost`. Programs try one of them first, and not all of them fall back to the other. */
export const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1'] as const;

/**
 * Maximum connections that wait to be accepted. With Node's 511, a burst of connections makes other clients repeat their
 * handshakes after one or three seconds. The operating system may lower the number.
 */
export const LISTEN_BACKLOG = 4096;

/**
 * Accepts connections for a listening server at a second address, on the same port, and hands them to it. Fastify
 * listens on both addresses of `localhost` with a second HTTP server, to which neither the CONNECT proxy nor the
 * connection limit would apply. Remove this when Fastify lets both addresses share one server.
 * @throws Error when the address is not available
 */
export async function listenOnSecondAddress(server: HttpServer, host: string): Promise<Server> {
  // The options that node:http gives its own sockets.
  const secondServer = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    server.emit('connection', socket),
  );
  secondServer.listen((server.address() as AddressInfo).port, host, LISTEN_BACKLOG);
  await once(secondServer, 'listening');
  return secondServer;
}
