import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { paceOf } from '../core/clock.ts';
import { EmulatorError } from '../core/errors.ts';
import { type Random, randomOf } from '../core/random.ts';
import type { Order } from '../core/task.ts';
import { accountOf, type Emulator } from './context.ts';

const CHARACTERS_PER_PIECE = 48;
const FEWEST_PIECES = 6;

/** Cuts between characters, never inside one. */
export function piecesOf(text: string): string[] {
  const characters = Array.from(text);
  const size = Math.max(1, Math.min(CHARACTERS_PER_PIECE, Math.ceil(characters.length / FEWEST_PIECES)));
  const pieces: string[] = [];
  for (let at = 0; at < characters.length; at += size) pieces.push(characters.slice(at, at + size).join(''));
  return pieces;
}

/**
 * Charges for a text, writes it and sends it as it would be produced: its pieces spread over the task's simulated time, at
 * once on clocks that do not run by themselves. The hold is captured when the text is out or the client has left, and
 * refunded when we break off or `write` throws.
 * @throws EmulatorError INSUFFICIENT_CREDITS, and what `write` throws
 */
export function sendText(
  { core, stopping }: Emulator,
  request: FastifyRequest,
  reply: FastifyReply,
  order: Order,
  write: (random: Random) => string,
): FastifyReply {
  const account = accountOf(request);
  const task = core.tasks.submitStream(account.id, order);
  let text: string;
  try {
    text = write(randomOf('text', account.seed, task.seq));
  } catch (error) {
    core.tasks.fail(account.id, task.id, error instanceof EmulatorError ? error.code : 'INTERNAL_ERROR');
    throw error;
  }
  const pieces = piecesOf(text);
  const totalMs = account.clockMode === 'real' ? task.plan.endMs / paceOf(account) : 0;
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const either = AbortSignal.any([gone.signal, stopping]);

  async function* produce() {
    const beganMs = core.clock.nowMs();
    // The client learns at once that it was accepted, not with the first piece.
    reply.raw.flushHeaders();
    try {
      for (const [index, piece] of pieces.entries()) {
        // Against the beginning, not the last piece: delays do not add up.
        const dueMs = beganMs + (totalMs * (index + 1)) / pieces.length;
        await core.clock.sleep(dueMs - core.clock.nowMs(), either);
        if (stopping.aborted) throw new Error('the server stops');
        if (gone.signal.aborted) return;
        yield piece;
      }
    } catch (error) {
      core.tasks.fail(account.id, task.id, 'INTERNAL_ERROR');
      throw error;
    } finally {
      core.tasks.complete(account.id, task.id);
    }
  }

  return reply
    .header('content-type', 'text/plain; charset=utf-8')
    .header('cache-control', 'no-cache')
    .send(Readable.from(produce(), { objectMode: true }));
}
