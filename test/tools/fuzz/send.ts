import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAnswerReader, type RawAnswer } from '../../support/answer-reader.ts';
import type { Case } from './case.ts';

export interface Outcome {
  answers: RawAnswer[];
  /** The head of an answer that had not come to its end. */
  begun: RawAnswer | undefined;
  /** `open`: the connection can be used again; `abandoned`: we had enough, or left as the case says; `silent`: no answer came. */
  end: 'open' | 'closed' | 'reset' | 'abandoned' | 'silent';
  /** What is wrong with the answers as HTTP. */
  broken: string | undefined;
  /** We ended the stream, as clients do that are going: from then on no answer is owed. */
  hasLeft: boolean;
}

/** So long nothing comes back when nothing will: before the first byte of an answer, and after it. */
const SETTLED_MS = { before: 80, after: 15 };
/** So many come one by one. */
const SLOW_BYTES = 40;
const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n';

/** A client's end of connections to the server: some are kept from case to case, some never finished. */
export function createClient(
  port: number,
  { patienceMs, lingerMs }: { patienceMs: number; lingerMs: number },
) {
  const idle: Socket[] = [];
  const unfinished = new Set<Socket>();
  let unasked = 0;

  const open = () => connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });

  /** One that is kept may have been closed by the server meanwhile, as it may after each answer. */
  function taken(): Socket {
    for (let socket = idle.pop(); socket; socket = idle.pop()) {
      socket.removeAllListeners();
      if (!socket.destroyed && socket.readyState === 'open') return socket;
      socket.on('error', () => {}).destroy();
    }
    return open();
  }

  /** Sends the case and takes what comes back. `mayLinger`: who has no answer soon goes away, without blame. */
  async function deliver(sent: Case, mayLinger: boolean): Promise<Outcome> {
    const { delivery, bytes } = sent;
    if (delivery.how === 'unfinished') {
      const socket = open();
      unfinished.add(socket);
      socket.on('error', () => {}).on('close', () => unfinished.delete(socket));
      socket.resume().write(bytes.subarray(0, delivery.afterBytes));
      return { answers: [], begun: undefined, end: 'abandoned', broken: undefined, hasLeft: true };
    }
    const isKept = delivery.how === 'kept';
    return new Promise((resolve) => {
      const socket = isKept ? taken() : open();
      const outcome: Outcome = {
        answers: [],
        begun: undefined,
        end: 'silent',
        broken: undefined,
        hasLeft: false,
      };
      let isDone = false;
      let wasReset = false;
      let isFirst = true;
      const reader = createAnswerReader(
        (answer) => outcome.answers.push(answer),
        () => sent.messages[outcome.answers.length]?.method === 'HEAD',
      );
      const finish = (end: Outcome['end']) => {
        if (isDone) return;
        isDone = true;
        outcome.hasLeft = hasLeft;
        outcome.begun = reader.begun();
        clearTimeout(patience);
        clearTimeout(settling);
        socket.off('data', take).off('end', ended).off('close', closed).off('error', failed);
        outcome.end = end;
        if (end === 'open') {
          idle.push(socket.on('error', () => {}).on('data', () => unasked++));
        } else socket.on('error', () => {}).destroy();
        resolve(outcome);
      };
      const take = (chunk: Buffer) => {
        let left = chunk;
        if (sent.kind === 'tunnel' && isFirst && left.toString('latin1').startsWith(ESTABLISHED))
          left = left.subarray(ESTABLISHED.length);
        isFirst = false;
        outcome.broken ??= left.length > 0 ? reader.read(left) : undefined;
        if (delivery.how === 'aborted' && delivery.whenAnswered) leave();
        else if (outcome.broken) finish('abandoned');
        else if (outcome.answers.length >= (sent.answers ?? Infinity) && !reader.begun()) {
          const isLast = outcome.answers.at(-1)?.headers.connection === 'close';
          finish(isKept && !isLast ? 'open' : 'closed');
        } else settle(SETTLED_MS.after);
      };
      let hasLeft = delivery.how === 'half-closed' || delivery.how === 'aborted';
      const hangUp = () => {
        hasLeft = true;
        socket.end();
      };
      let settling: NodeJS.Timeout | undefined;
      const settle = (ms: number) => {
        clearTimeout(settling);
        if (delivery.how === 'settled') settling = setTimeout(hangUp, ms);
      };
      const leave = () => {
        if (delivery.how === 'aborted' && delivery.reset) socket.resetAndDestroy();
        finish('abandoned');
      };
      const ended = () => {
        outcome.broken ??= reader.end();
        finish('closed');
      };
      const closed = () => finish(wasReset ? 'reset' : 'closed');
      const failed = () => {
        wasReset = true;
      };
      const patience = setTimeout(
        () => finish(mayLinger ? 'abandoned' : 'silent'),
        mayLinger ? lingerMs : patienceMs,
      );
      socket.on('data', take).on('end', ended).on('close', closed).on('error', failed);
      settle(SETTLED_MS.before);
      void send(sent, socket, () => isDone).then(() => {
        if (delivery.how === 'aborted' && !delivery.whenAnswered) leave();
      });
    });
  }

  return {
    deliver,
    /** How often bytes came on a connection on which nothing was asked. */
    unaskedFor: () => unasked,
    /** Ends all connections that were kept, and all that were never finished. */
    leave(): void {
      for (const socket of [...idle.splice(0), ...unfinished]) socket.destroy();
    },
    /** Beyond so many the oldest are given up. */
    giveUpBeyond(most: number): void {
      for (const socket of [...unfinished].slice(0, Math.max(0, unfinished.size - most))) socket.destroy();
    },
  };
}

async function send({ delivery, bytes }: Case, socket: Socket, isDone: () => boolean): Promise<void> {
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
