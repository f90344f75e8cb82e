import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Random, randomOf } from '../core/random.ts';
import type { Order } from '../core/task.ts';
import { accountOf, type Emulator } from './context.ts';
import { workInRequest } from './in-request.ts';

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
  emulator: Emulator,
  request: FastifyRequest,
  reply: FastifyReply,
  order: Order,
  write: (random: Random) => string,
): FastifyReply {
  const work = workInRequest(emulator, request, reply, order);
  let text: string;
  try {
    text = write(randomOf('text', accountOf(request).seed, work.task.seq));
  } catch (error) {
    work.fail(error);
    throw error;
  }
  const pieces = piecesOf(text);

  async function* produce() {
    // The client learns at once that it was accepted, not with the first piece.
    reply.raw.flushHeaders();
    try {
      for (const [index, piece] of pieces.entries()) {
        if (!(await work.reach((index + 1) / pieces.length))) return;
        yield piece;
      }
    } catch (error) {
      work.fail(error);
      throw error;
    } finally {
      work.complete();
    }
  }

  return reply
    .header('content-type', 'text/plain; charset=utf-8')
    .header('cache-control', 'no-cache')
    .send(Readable.from(produce(), { objectMode: true }));
}
