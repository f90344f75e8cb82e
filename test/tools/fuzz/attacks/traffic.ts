import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createResponseReader, type RawResponse } from '../../../support/response-reader.ts';

/** A request as bytes. */
export function toBytes(
  method: string,
  path: string,
  { key, body, headers = '' }: { key?: string; body?: string | Buffer; headers?: string } = {},
): Buffer {
  const content = Buffer.from(body ?? '');
  const head = [
    `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n`,
    key === undefined ? '' : `Authorization: Bearer ${key}\r\n`,
    body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${content.length}\r\n`,
    `${headers}\r\n`,
  ];
  return Buffer.concat([Buffer.from(head.join(''), 'latin1'), content]);
}

/** Time of one exchange. */
const BUDGET_MS = 4000;

export interface Exchange {
  statuses: Map<number, number>;
  isComplete: boolean;
}

export type Traffic = ReturnType<typeof createTraffic>;

/** The connections of an attacker. */
export function createTraffic(port: number) {
  const sockets = new Set<Socket>();

  /** `onByte`: receives one byte at a time, and pauses reading by returning false. */
  function open(onByte?: () => boolean): Socket {
    const onread = onByte && { buffer: Buffer.alloc(1), callback: onByte };
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, ...(onread && { onread }) });
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    return socket;
  }

  /** Resolves when the socket takes more data, is closed, or at `deadline`. */
  function write(socket: Socket, bytes: Buffer, deadline: number): Promise<void> {
    if (socket.destroyed || socket.write(bytes)) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timeout);
        socket.off('drain', done).off('close', done);
        resolve();
      };
      const timeout = setTimeout(done, Math.max(0, deadline - performance.now()));
      socket.on('drain', done).on('close', done);
    });
  }

  return {
    open,
    /** Opens a connection that writes the requests for at most `writeMs`, and reads nothing for `holdMs` after that. */
    async sendUnread(
      requests: readonly Buffer[],
      { writeMs, holdMs }: { writeMs: number; holdMs: number },
    ): Promise<Socket> {
      const socket = open().pause();
      const deadline = performance.now() + writeMs;
      for (const bytes of requests) {
        if (performance.now() > deadline) break;
        await write(socket, bytes, deadline);
      }
      await sleep(holdMs);
      return socket;
    },
    /** Reads the responses that are pending on a connection, until there are `count` or `maxBytes` have arrived. */
    read(
      socket: Socket,
      { count, maxBytes, timeoutMs }: { count: number; maxBytes: number; timeoutMs: number },
    ): Promise<{ responses: RawResponse[]; problem: string | undefined }> {
      return new Promise((resolve) => {
        const responses: RawResponse[] = [];
        let bytes = 0;
        const reader = createResponseReader(
          (response) => responses.push(response),
          () => false,
        );
        const finish = (problem?: string) => {
          clearTimeout(timeout);
          socket.off('data', onData).off('close', onClose).destroy();
          resolve({ responses, problem });
        };
        const timeout = setTimeout(
          () => finish(`no response in time after ${responses.length} of ${count}`),
          timeoutMs,
        );
        const onData = (chunk: Buffer) => {
          bytes += chunk.length;
          const problem = reader.read(chunk);
          if (problem !== undefined) finish(problem);
          else if (responses.length >= count || bytes >= maxBytes) finish();
        };
        const onClose = () => finish(reader.end());
        socket.on('data', onData).on('close', onClose);
        if (socket.destroyed) onClose();
        else socket.resume();
      });
    },
    /**
     * Sends requests over some connections, reads the responses, and returns the count of each status. Stops after
     * `BUDGET_MS`, so that an attack on a slow server does not take long; `isComplete` is false then.
     */
    async exchange(requests: readonly Buffer[], { connections = 2 } = {}): Promise<Exchange> {
      const statuses = new Map<number, number>();
      const deadline = performance.now() + BUDGET_MS;
      let isComplete = true;
      const lanes = Array.from({ length: connections }, async (_, lane) => {
        const own = requests.filter((_, index) => index % connections === lane);
        const socket = open();
        const reading = this.read(socket, { count: own.length, maxBytes: Infinity, timeoutMs: BUDGET_MS });
        for (const bytes of own) {
          if (performance.now() > deadline) break;
          await write(socket, bytes, deadline);
        }
        const { responses } = await reading;
        if (responses.length < own.length && performance.now() > deadline - 100) isComplete = false;
        for (const { status } of responses) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      });
      await Promise.all(lanes);
      return { statuses, isComplete };
    },
    closeAll(): void {
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}
