import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** Where `localhost` leads. Programs try one of them first, and not all go on to the other. */
export const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1'] as const;

/**
 * Lets the connections of a server that listens come in at another address, too, on the same port. They are its own, with all that it does
 * for them: a second server, as Fastify would make, knows neither tunnels nor bounds.
 * @throws Error when the address cannot be had
 */
export async function listenOnSecondAddress(server: HttpServer, host: string): Promise<Server> {
  const secondServer = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    server.emit('connection', socket),
  );
  secondServer.listen((server.address() as AddressInfo).port, host);
  await once(secondServer, 'listening');
  return secondServer;
}
