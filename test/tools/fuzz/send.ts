import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createResponseReader, type RawResponse } from '../../support/answer-reader.ts';
import type { FuzzCase } from './case.ts';

export interface DeliveryOutcome {
  responses: RawResponse[];
  /** The head of an answer that had not come to its end. */
  partialResponse: RawResponse | undefined;
  /** `open`: the connection can be used again; `abandoned`: we had enough, or left as the case says; `silent`: no answer came. */
  end: 'open' | 'closed' | 'reset' | 'abandoned' | 'silent';
  /** What is wrong with the answers as HTTP. */
  protocolError: string | undefined;
  /** We ended the stream, as clients do that are going: from then on no answer is owed. */
  hasClientLeft: boolean;
}

/** So long nothing comes back when nothing will: before the first byte of an answer, and after it. */
const SETTLED_MS = { before: 80, after: 15 };
/** So many come one by one. */
const SLOW_BYTES = 40;
const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n';

/** A client's end of connections to the server: some are kept from case to case, some never finished. */
export function createClient(port: number, { timeoutMs, lingerMs }: { timeoutMs: number; lingerMs: number }) {
  const idle: Socket[] = [];
  const unfinished = new Set<Socket>();
  let unsolicitedCount = 0;

  const openSocket = () => connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });

  /** One that is kept may have been closed by the server meanwhile, as it may after each answer. */
  function acquireSocket(): Socket {
    for (let socket = idle.pop(); socket; socket = idle.pop()) {
      socket.removeAllListeners();
      if (!socket.destroyed && socket.readyState === 'open') return socket;
      socket.on('error', () => {}).destroy();
    }
    return openSocket();
  }

  /** Sends the case and takes what comes back. `mayLinger`: who has no answer soon goes away, without blame. */
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
    return new Promise((resolve) => {
      const socket = isKeepAlive ? acquireSocket() : openSocket();
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
    /** How often bytes came on a connection on which nothing was asked. */
    getUnsolicitedCount: () => unsolicitedCount,
    /** Ends all connections that were kept, and all that were never finished. */
    closeAll(): void {
      for (const socket of [...idle.splice(0), ...unfinished]) socket.destroy();
    },
    /** Beyond so many the oldest are given up. */
    limitUnfinished(max: number): void {
      for (const socket of [...unfinished].slice(0, Math.max(0, unfinished.size - max))) socket.destroy();
    },
  };
}

async function send({ delivery, bytes }: FuzzCase, socket: Socket, isDone: () => boolean): Promise<void> {
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
