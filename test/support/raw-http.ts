import { connect } from 'node:net';

/** Sends raw bytes to a local port and returns all bytes of the response, and how the connection ended. */
export function sendRawBytes(port: number | string, request: string): Promise<{ bytes: Buffer; end: string }> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(request));
    const chunks: Buffer[] = [];
    let end = 'closed';
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      end = error.code ?? 'error';
    });
    socket.on('close', () => resolve({ bytes: Buffer.concat(chunks), end }));
  });
}

/** Like `sendRawBytes`, for a JSON response. */
export async function sendRawForJson(
  port: number | string,
  request: string,
): Promise<{ status: number; body: unknown }> {
  const text = (await sendRawBytes(port, request)).bytes.toString();
  const [head, body] = text.split('\r\n\r\n') as [string, string];
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)![1]), body: JSON.parse(body) };
}
