import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { createResponseReader, type RawResponse } from '../../support/response-reader.ts';
import type { FuzzCase, TunnelKind } from './case.ts';

export interface DeliveryOutcome {
  responses: RawResponse[];
  /** An incomplete response whose head has arrived. */
  partialResponse: RawResponse | undefined;
  /**
   * `open`: the connection can be reused. `abandoned`: the client gave up or left, as the case says. `silent`: no
   * response.
   */
  end: 'open' | 'closed' | 'reset' | 'abandoned' | 'silent';
  /** How the responses violate HTTP. */
  protocolError: string | undefined;
  /** The client half-closed or closed the connection; the server owes no response from then on. */
  hasClientLeft: boolean;
}

/** Silence after which no more bytes are expected: before the first byte of a response, and after it. */
const SETTLED_MS = { before: 80, after: 15 };
/** Number of bytes that a slow delivery sends one by one. */
const SLOW_BYTES = 40;
const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n';

/** The client side of connections to the server. Keeps idle connections for later cases, and unfinished ones open. */
export function createClient(port: number, { timeoutMs, lingerMs }: { timeoutMs: number; lingerMs: number }) {
  const idle: Socket[] = [];
  const unfinished = new Set<Socket>();
  let unsolicitedCount = 0;

  const openSocket = () => connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });

  /** An idle connection may have been closed by the server, as is allowed after each response. */
  function acquireSocket(): Socket {
    for (let socket = idle.pop(); socket; socket = idle.pop()) {
      socket.removeAllListeners();
      if (!socket.destroyed && socket.readyState === 'open') return socket;
      socket.on('error', () => {}).destroy();
    }
    return openSocket();
  }

  /** Sends the case and collects the responses. `mayTimeOut`: a missing response is not a problem. */
  async function deliver(testCase: FuzzCase, mayTimeOut: boolean): Promise<DeliveryOutcome> {
    const { delivery, bytes } = testCase;
    if (delivery.how === 'unfinished') {
      const socket = openSocket();
      unfinished.add(socket);
      socket.on('error', () => {}).on('close', () => unfinished.delete(socket));
      socket.resume().write(bytes.subarray(0, delivery.afterBytes));
      return {
        responses: [],
        partialResponse: undefined,
        end: 'abandoned',
        protocolError: undefined,
        hasClientLeft: true,
      };
    }
    const isKeepAlive = delivery.how === 'kept';
    let connection: Socket;
    try {
      connection = testCase.tunnel
        ? await openTunnel(openSocket(), testCase.tunnel, timeoutMs)
        : isKeepAlive
          ? acquireSocket()
          : openSocket();
    } catch (error) {
      return {
        ...{ responses: [], partialResponse: undefined, end: 'closed', hasClientLeft: false },
        protocolError: (error as Error).message,
      };
    }
    return new Promise((resolve) => {
      const socket = connection;
      const outcome: DeliveryOutcome = {
        responses: [],
        partialResponse: undefined,
        end: 'silent',
        protocolError: undefined,
        hasClientLeft: false,
      };
      let isDone = false;
      let wasReset = false;
      let isFirst = true;
      const reader = createResponseReader(
        (response) => outcome.responses.push(response),
        () => testCase.messages[outcome.responses.length]?.method === 'HEAD',
      );
      const finish = (end: DeliveryOutcome['end']) => {
        if (isDone) return;
        isDone = true;
        outcome.hasClientLeft = hasClientLeft;
        outcome.partialResponse = reader.pendingResponse();
        clearTimeout(timeout);
        clearTimeout(settleTimer);
        socket.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onError);
        outcome.end = end;
        if (end === 'open') {
          idle.push(socket.on('error', () => {}).on('data', () => unsolicitedCount++));
        } else socket.on('error', () => {}).destroy();
        resolve(outcome);
      };
      const onData = (chunk: Buffer) => {
        let remaining = chunk;
        if (testCase.kind === 'tunnel' && isFirst && remaining.toString('latin1').startsWith(ESTABLISHED))
          remaining = remaining.subarray(ESTABLISHED.length);
        isFirst = false;
        outcome.protocolError ??= remaining.length > 0 ? reader.read(remaining) : undefined;
        if (delivery.how === 'aborted' && delivery.whenAnswered) abort();
        else if (outcome.protocolError) finish('abandoned');
        else if (outcome.responses.length >= (testCase.expectedResponses ?? Infinity) && !reader.pendingResponse()) {
          const isLast = outcome.responses.at(-1)?.headers.connection === 'close';
          finish(isKeepAlive && !isLast ? 'open' : 'closed');
        } else scheduleHalfClose(SETTLED_MS.after);
      };
      let hasClientLeft = delivery.how === 'half-closed' || delivery.how === 'aborted';
      const halfClose = () => {
        hasClientLeft = true;
        socket.end();
      };
      let settleTimer: NodeJS.Timeout | undefined;
      const scheduleHalfClose = (ms: number) => {
        clearTimeout(settleTimer);
        if (delivery.how === 'settled') settleTimer = setTimeout(halfClose, ms);
      };
      const abort = () => {
        if (delivery.how === 'aborted' && delivery.reset) socket.resetAndDestroy();
        finish('abandoned');
      };
      const onEnd = () => {
        outcome.protocolError ??= reader.end();
        finish('closed');
      };
      const onClose = () => finish(wasReset ? 'reset' : 'closed');
      const onError = () => {
        wasReset = true;
      };
      const timeout = setTimeout(() => finish(mayTimeOut ? 'abandoned' : 'silent'), mayTimeOut ? lingerMs : timeoutMs);
      socket.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onError);
      scheduleHalfClose(SETTLED_MS.before);
      void send(testCase, socket, () => isDone).then(() => {
        if (delivery.how === 'aborted' && !delivery.whenAnswered) abort();
      });
    });
  }

  return {
    deliver,
    /** Number of times bytes arrived on an idle connection. */
    getUnsolicitedCount: () => unsolicitedCount,
    /** Closes all idle and unfinished connections. */
    closeAll(): void {
      for (const socket of [...idle.splice(0), ...unfinished]) socket.destroy();
    },
    /** Closes the oldest unfinished connections beyond `max`. */
    limitUnfinished(max: number): void {
      for (const socket of [...unfinished].slice(0, Math.max(0, unfinished.size - max))) socket.destroy();
    },
  };
}

const TUNNEL_TARGET: Record<TunnelKind, string> = { plain: 'nanophoto.ai:80', tls: 'nanophoto.ai:443' };

/** Opens a tunnel through the server to itself. @throws Error when the server refuses it or does not respond in time */
export async function openTunnel(socket: Socket, kind: TunnelKind, timeoutMs: number): Promise<Socket> {
  const target = TUNNEL_TARGET[kind];
  const timeout = setTimeout(() => socket.destroy(new Error('no response to CONNECT')), timeoutMs);
  try {
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    if (!head.toString('latin1').startsWith(ESTABLISHED)) {
      socket.destroy();
      throw new Error(`CONNECT was refused: ${head.toString('latin1')}`);
    }
    if (kind === 'plain') return socket;
    const secure = connectTls({
      ...{ socket, servername: 'nanophoto.ai', ALPNProtocols: ['http/1.1'] },
      // Other tests verify the certificate.
      rejectUnauthorized: false,
    });
    await once(secure, 'secureConnect');
    return secure;
  } finally {
    clearTimeout(timeout);
  }
}

async function send({ delivery, bytes, breaker }: FuzzCase, socket: Socket, isDone: () => boolean): Promise<void> {
  if (breaker) {
    if (breaker.afterMs === 0) socket.write(Buffer.concat([bytes, breaker.bytes]));
    else {
      socket.write(bytes);
      await sleep(breaker.afterMs);
      if (!isDone()) socket.write(breaker.bytes);
    }
    return;
  }
  switch (delivery.how) {
    case 'kept':
    case 'settled':
      socket.write(bytes);
      return;
    case 'half-closed':
      socket.end(bytes);
      return;
    case 'pieces': {
      let from = 0;
      for (const at of delivery.at) {
        if (at <= from || at >= bytes.length) continue;
        socket.write(bytes.subarray(from, at));
        from = at;
        await sleep(1);
      }
      socket.write(bytes.subarray(from));
      return;
    }
    case 'slow': {
      const slowEnd = Math.min(bytes.length, delivery.quickBytes + SLOW_BYTES);
      socket.write(bytes.subarray(0, delivery.quickBytes));
      for (let at = delivery.quickBytes; at < slowEnd && !isDone(); at++) {
        await sleep(delivery.gapMs);
        socket.write(bytes.subarray(at, at + 1));
      }
      socket.write(bytes.subarray(slowEnd));
      return;
    }
    case 'aborted':
      await new Promise<void>((resolve) => {
        socket.write(delivery.whenAnswered ? bytes : bytes.subarray(0, delivery.afterBytes), () => resolve());
        socket.once('close', () => resolve());
      });
  }
}
