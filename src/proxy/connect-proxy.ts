import type { IncomingMessage, Server } from 'node:http';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { Clock } from '../core/time/clock.ts';
import type { Authority } from './certificate-authority.ts';
import { isVendorHost, VENDOR_HOST } from './vendor-hosts.ts';

/** Who has not finished the handshake by then does not speak TLS. */
const HANDSHAKE_MS = 10_000;

const TARGET = /^([\w.-]{1,255}):(\d{1,5})$/;

export interface InterceptOptions {
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
  refusal: string;
  /** The whole answer to a request for a tunnel that cannot be encrypted. */
  unable: string;
  /** Told of refused tunnels, and of what went wrong on our side. */
  onRefused: (target: string) => void;
  onError: (error: Error) => void;
}

/**
 * Answers for the vendor's hosts to clients that ask for them: through a tunnel (CONNECT) on the server's own port, and over
 * plain TLS on a port of its own. No connection to the outside is ever opened: a tunnel ends here.
 */
export function createIntercept({
  server,
  connections,
  authority,
  clock,
  refusal,
  unable,
  onRefused,
  onError,
}: InterceptOptions) {
  /** Those that have not come as far as to be the server's, and those that were refused. */
  const waiting = new Set<Socket>();
  let isClosing = false;

  /** Until it is the server's or closed, and no longer than a handshake may take. The result ends the hold. */
  function hold(socket: Socket): () => void {
    waiting.add(socket);
    socket.on('error', () => socket.destroy());
    const cancel = clock.after(HANDSHAKE_MS, () => socket.destroy());
    const release = () => {
      cancel();
      waiting.delete(socket);
    };
    socket.once('close', release);
    if (isClosing) socket.destroy();
    return release;
  }

  const contextFor = (host: string): Promise<SecureContext> =>
    authority().then((known) => known.contextFor(host));

  /** The connection is the server's as soon as it is encrypted; what goes wrong before that ends it. */
  async function encrypt(socket: Socket, host: string, onReady: () => void = () => {}): Promise<void> {
    const release = hold(socket);
    const secureContext = await contextFor(host);
    if (socket.destroyed) return;
    onReady();
    const secure = new TLSSocket(socket, {
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
    secure.on('error', () => secure.destroy());
    secure.once('close', () => socket.destroy());
    // The server's connections stay half open when clients end them: before it is the server's, nobody else would close it.
    const leave = () => secure.destroy();
    secure.once('end', leave);
    secure.once('secure', () => {
      secure.off('end', leave);
      release();
      connections.serve(secure);
    });
  }

  function tunnel(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const target = request.url ?? '';
    const [, host, port] = TARGET.exec(target) ?? [];
    if (!host || !isVendorHost(host) || (port !== '443' && port !== '80')) {
      onRefused(target);
      hold(socket);
      // Read to its end: a client that is not done talking would keep the connection for ever.
      socket.resume().end(refusal, () => socket.destroySoon());
      return;
    }
    const establish = () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      if (head.length > 0) socket.unshift(head);
    };
    if (port === '443') {
      // Not before there is a certificate: a client that was told of a tunnel learns nothing of what went wrong.
      encrypt(socket, host, establish).catch((error) => {
        onError(error);
        socket.resume().end(unable, () => socket.destroySoon());
      });
      return;
    }
    socket.on('error', () => socket.destroy());
    establish();
    connections.serve(socket);
  }

  server.on('connect', (request, socket, head) => tunnel(request, socket as Socket, head));

  return {
    /** For who leads the vendor's hosts here by name. Not listening yet. */
    secureServer: (): NetServer =>
      createServer((socket) => {
        // Nothing can be said before it is encrypted, and that costs more than there is.
        if (!connections.admit(socket)) {
          socket.destroy();
          return;
        }
        encrypt(socket, VENDOR_HOST).catch((error) => {
          onError(error);
          socket.destroy();
        });
      }),
    /** Ends what is not the server's yet; the rest is for the server to end. */
    close(): void {
      isClosing = true;
      for (const socket of waiting) socket.destroy();
    },
  };
}
