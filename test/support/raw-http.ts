import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createResponseReader, type RawResponse } from './response-reader.ts';

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

export type RawConnection = ReturnType<typeof collectResponses>;

/**
 * Opens a connection that collects the responses on it. `isHead` returns whether the request with this index was a HEAD.
 */
export async function openRawConnection(
  port: number | string,
  isHead?: (index: number) => boolean,
): Promise<RawConnection> {
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
  const connection = collectResponses(socket, isHead);
  await once(socket, 'connect');
  return connection;
}

/** Collects the responses on a connection. */
export function collectResponses(socket: Socket, isHead: (index: number) => boolean = () => false) {
  const responses: RawResponse[] = [];
  /** Violations of the protocol, such as a response inside of another one. */
  const violations: string[] = [];
  let isClosed = false;
  let notify = () => {};
  const note = (violation: string | undefined) => {
    if (violation !== undefined) violations.push(violation);
  };
  const reader = createResponseReader(
    (response) => responses.push(response),
    () => isHead(responses.length),
  );
  socket.on('data', (chunk) => {
    note(reader.read(chunk));
    notify();
  });
  socket.on('end', () => {
    note(reader.end());
    socket.end();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
    notify();
  });
  const until = async (condition: () => boolean) => {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        notify = resolve;
      });
    }
  };
  return {
    socket,
    responses,
    violations,
    write: (text: string) => void socket.write(text, 'latin1'),
    /** Resolves with all responses when there are `count` of them or the connection has closed. */
    async receive(count: number): Promise<RawResponse[]> {
      await until(() => responses.length >= count || isClosed);
      return responses;
    },
    closed: () => until(() => isClosed),
  };
}

/** Sends raw bytes and resolves with all responses when the server has closed the connection. */
export async function exchange(port: number | string, request: string): Promise<RawResponse[]> {
  const connection = await openRawConnection(port);
  connection.write(request);
  await connection.closed();
  if (connection.violations.length > 0) throw new Error(connection.violations.join('; '));
  return connection.responses;
}
