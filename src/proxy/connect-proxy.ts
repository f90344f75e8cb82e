import type { IncomingMessage, Server } from 'node:http';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { Clock } from '../core/time/clock.ts';
import type { Authority } from './certificate-authority.ts';
import { isVendorHost, VENDOR_HOST } from './vendor-hosts.ts';

/** Who has not finished the handshake by then does not speak TLS. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

const TARGET_PATTERN = /^([\w.-]{1,255}):(\d{1,5})$/;

export interface ConnectProxyOptions {
  /** Asked for tunnels. */
  server: Server;
  connections: {
    /** Where connections that have been let in are answered, when they are decrypted. */
    serve: (socket: Socket) => void;
    /** False when there is no room for one that comes on another port. */
    admit: (socket: Socket) => boolean;
  };
  /** Made when it is first needed. */
  authority: () => Promise<Authority>;
  clock: Clock;
  /** The whole answer to a request for a tunnel that is not given. */
  refusalResponse: string;
  /** The whole answer to a request for a tunnel that cannot be encrypted. */
  failureResponse: string;
  /** Told of refused tunnels, and of what went wrong on our side. */
  onRefused: (target: string) => void;
  onError: (error: Error) => void;
}

/**
 * Answers for the vendor's hosts to clients that ask for them: through a tunnel (CONNECT) on the server's own port, and over
 * plain TLS on a port of its own. No connection to the outside is ever opened: a tunnel ends here.
 */
export function createConnectProxy({
  server,
  connections,
  authority,
  clock,
  refusalResponse,
  failureResponse,
  onRefused,
  onError,
}: ConnectProxyOptions) {
  /** Those that have not come as far as to be the server's, and those that were refused. */
  const pendingSockets = new Set<Socket>();
  let isClosing = false;

  /** Until it is the server's or closed, and no longer than a handshake may take. The result ends the hold. */
  function trackHandshake(socket: Socket): () => void {
    pendingSockets.add(socket);
    socket.on('error', () => socket.destroy());
    const cancel = clock.after(HANDSHAKE_TIMEOUT_MS, () => socket.destroy());
    const release = () => {
      cancel();
      pendingSockets.delete(socket);
    };
    socket.once('close', release);
    if (isClosing) socket.destroy();
    return release;
  }

  const contextFor = (host: string): Promise<SecureContext> => authority().then((ca) => ca.contextFor(host));

  /** The connection is the server's as soon as it is encrypted; what goes wrong before that ends it. */
  async function upgradeToTls(socket: Socket, host: string, onReady: () => void = () => {}): Promise<void> {
    const release = trackHandshake(socket);
    const secureContext = await contextFor(host);
    if (socket.destroyed) return;
    onReady();
    const tlsSocket = new TLSSocket(socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, done) => {
        contextFor(name).then(
          (context) => done(null, context),
          (error) => done(error),
        );
      },
    });
    tlsSocket.on('error', () => tlsSocket.destroy());
    tlsSocket.once('close', () => socket.destroy());
    // The server's connections stay half open when clients end them: before it is the server's, nobody else would close it.
    const onEnd = () => tlsSocket.destroy();
    tlsSocket.once('end', onEnd);
    tlsSocket.once('secure', () => {
      tlsSocket.off('end', onEnd);
      release();
      connections.serve(tlsSocket);
    });
  }

  function handleConnect(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const target = request.url ?? '';
    const [, host, port] = TARGET_PATTERN.exec(target) ?? [];
    if (!host || !isVendorHost(host) || (port !== '443' && port !== '80')) {
      onRefused(target);
      trackHandshake(socket);
      // Read to its end: a client that is not done talking would keep the connection for ever.
      socket.resume().end(refusalResponse, () => socket.destroySoon());
      return;
    }
    const establish = () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      if (head.length > 0) socket.unshift(head);
    };
    if (port === '443') {
      // Not before there is a certificate: a client that was told of a tunnel learns nothing of what went wrong.
      upgradeToTls(socket, host, establish).catch((error) => {
        onError(error);
        socket.resume().end(failureResponse, () => socket.destroySoon());
      });
      return;
    }
    socket.on('error', () => socket.destroy());
    establish();
    connections.serve(socket);
  }

  server.on('connect', (request, socket, head) => handleConnect(request, socket as Socket, head));

  return {
    /** For who leads the vendor's hosts here by name. Not listening yet. */
    secureServer: (): NetServer =>
      createServer((socket) => {
        // Nothing can be said before it is encrypted, and that costs more than there is.
        if (!connections.admit(socket)) {
          socket.destroy();
          return;
        }
        upgradeToTls(socket, VENDOR_HOST).catch((error) => {
          onError(error);
          socket.destroy();
        });
      }),
    /** Ends what is not the server's yet; the rest is for the server to end. */
    close(): void {
      isClosing = true;
      for (const socket of pendingSockets) socket.destroy();
    },
  };
}
