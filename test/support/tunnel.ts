import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Opens a CONNECT tunnel through a local proxy. Resolves to the proxy's response and the connection. */
export async function openTunnel(port: number | string, target: string): Promise<{ head: string; socket: Socket }> {
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  return { head: head.toString(), socket };
}

/** Sends a request over TLS and returns the response. @throws Error when `ca` does not verify the certificate */
export async function sendOverTls(
  socket: Socket,
  { host, ca, request }: { host: string; ca: string; request: string },
): Promise<string> {
  const secure = connectTls({ socket, servername: host, ca, ALPNProtocols: ['http/1.1'] });
  secure.end(request);
  const chunks: Buffer[] = [];
  for await (const chunk of secure) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
