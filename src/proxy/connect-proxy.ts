import type { IncomingMessage, Server } from 'node:http';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { Clock } from '../core/time/clock.ts';
import type { Authority } from './certificate-authority.ts';
import { isVendorHost, VENDOR_HOST } from './vendor-hosts.ts';

/** Time for the TLS handshake, after which the client is assumed not to speak TLS. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

const TARGET_PATTERN = /^([\w.-]{1,255}):(\d{1,5})$/;

export interface ConnectProxyOptions {
  /** The server that receives CONNECT requests. */
  server: Server;
  connections: {
    /** Lets the server handle the requests of an admitted, decrypted connection. */
    serve: (socket: Socket) => void;
    /** Admits a connection on another port. Returns false when the limit is reached. */
    admit: (socket: Socket) => boolean;
    /** Confines the errors of a connection's listeners to that connection. */
    protect: (socket: Socket) => void;
    /** Closes a connection after a last response, as text, in a way that lets the client read it. */
    end: (socket: Socket, response: string) => void;
    /**
     * Calls `callback` when all earlier responses of a connection have been sent, with `head` and the data that followed.
     */
    afterResponses: (socket: Socket, head: Buffer, callback: (head: Buffer) => void) => void;
  };
  /** Opens the authority on first use. */
  authority: () => Promise<Authority>;
  clock: Clock;
  /** Returns the HTTP response, as text, to a CONNECT request for another host or inside a tunnel. */
  refuse: (request: IncomingMessage) => string;
  /** Returns the HTTP response, as text, to a CONNECT request that fails for lack of a certificate. */
  createFailure: (request: IncomingMessage) => string;
  /** Called when no certificate can be created for a connection. */
  onError: (error: Error) => void;
}

/**
 * Serves requests for the vendor's hosts, both through tunnels (CONNECT) on the server's own port and over TLS on a
 * port of its own. Tunnels end in this process: none leads to another host.
 */
export function createConnectProxy({
  server,
  connections,
  authority,
  clock,
  refuse,
  createFailure,
  onError,
}: ConnectProxyOptions) {
  /** Connections during the TLS handshake and refused connections, which the server does not know. */
  const pendingSockets = new Set<Socket>();
  /** Ends of tunnels. Tunnels in tunnels would nest sockets until the call stack overflows in one of their callbacks. */
  const tunnels = new WeakSet<Socket>();
  let isClosing = false;

  /** Tracks a connection, and closes it after the handshake timeout, until the returned function is called. */
  function trackHandshake(socket: Socket): () => void {
    connections.protect(socket);
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

  /** Performs the TLS handshake and passes the decrypted connection to `serve`. If it fails, the connection is closed. */
  async function upgradeToTls(
    socket: Socket,
    host: string,
    serve: (tlsSocket: Socket) => void,
    onReady: () => void = () => {},
  ): Promise<void> {
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
    connections.protect(tlsSocket);
    // Node resets TCP connections only, so for a fault that resets, this one passes the call on.
    tlsSocket.resetAndDestroy = () => {
      socket.resetAndDestroy();
      return tlsSocket;
    };
    tlsSocket.on('error', () => tlsSocket.destroy());
    tlsSocket.once('close', () => socket.destroy());
    // Sockets of node:http allow half-open connections; until the server takes over, nothing else would close this one.
    const onEnd = () => tlsSocket.destroy();
    tlsSocket.once('end', onEnd);
    tlsSocket.once('secure', () => {
      tlsSocket.off('end', onEnd);
      release();
      serve(tlsSocket);
    });
  }

  function handleConnect(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const target = request.url ?? '';
    const [, host, port] = TARGET_PATTERN.exec(target) ?? [];
    if (tunnels.has(socket) || !host || !isVendorHost(host) || (port !== '443' && port !== '80')) {
      trackHandshake(socket);
      connections.end(socket, refuse(request));
      return;
    }
    const establish = () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      if (head.length > 0) socket.unshift(head);
    };
    if (port === '443') {
      // The tunnel is confirmed only when there is a certificate; after that no error response is possible.
      upgradeToTls(socket, host, serveTunnel, establish).catch((error) => {
        onError(error);
        connections.end(socket, createFailure(request));
      });
      return;
    }
    socket.on('error', () => socket.destroy());
    establish();
    serveTunnel(socket);
  }

  function serveTunnel(socket: Socket): void {
    tunnels.add(socket);
    connections.serve(socket);
  }

  server.on('connect', (request, stream, head) => {
    const socket = stream as Socket;
    connections.afterResponses(socket, head, (data) => handleConnect(request, socket, data));
  });

  return {
    /** Creates the server for clients whose DNS resolves the vendor's hosts to this machine. It does not listen yet. */
    secureServer: (): NetServer =>
      createServer((socket) => {
        // A response would need a TLS handshake, which is too expensive for connections over the limit.
        if (!connections.admit(socket)) {
          socket.destroy();
          return;
        }
        upgradeToTls(socket, VENDOR_HOST, connections.serve).catch((error) => {
          onError(error);
          socket.destroy();
        });
      }),
    /** Closes the connections that the server does not know. The server closes the others. */
    close(): void {
      isClosing = true;
      for (const socket of pendingSockets) socket.destroy();
    },
  };
}
