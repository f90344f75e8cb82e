import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import type { Effect } from '../../core/faults/fault-rules.ts';
import { type Random, randomOf } from '../../core/random.ts';
import type { Order } from '../../core/tasks/task.ts';
import { accountOf, type Emulator } from '../../http/context.ts';
import { hangUp } from '../../http/faults/effects.ts';
import { streamEffect } from '../../http/faults/hooks.ts';
import { FOR_EVER_MS, workInRequest } from './synchronous-task.ts';

const CHARACTERS_PER_PIECE = 48;
const FEWEST_PIECES = 6;

const isHarmless = (effect: Effect) => Object.keys(effect).length === 0;

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
 * @throws EmulatorError INSUFFICIENT_CREDITS, TOO_MANY_STREAMS, and what `write` throws
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
  const effect = streamEffect(emulator, request, work.task.plan.outcome);
  const breakAt = isHarmless(effect) ? undefined : (effect.truncateAfter ?? Buffer.byteLength(text) >> 1);
  const { entry } = request;

  /** At the place where something goes wrong. False: that was the end of it. */
  async function befall(): Promise<boolean> {
    if (effect.delayMs !== undefined && !(await work.pause(effect.delayMs))) return false;
    if (effect.hang) await work.pause(FOR_EVER_MS);
    if (effect.hang) return false;
    const breaksOff = effect.fail || effect.reset || effect.empty;
    if (effect.delayMs !== undefined && !breaksOff) return true;
    work.fail(new EmulatorError('GENERATION_FAILED', 'the stream breaks off as asked for by a fault'));
    hangUp(request, effect.reset === true);
    return false;
  }

  async function* produce() {
    // The client learns at once that it was accepted, not with the first piece.
    reply.raw.flushHeaders();
    let sentBytes = 0;
    try {
      for (const [index, piece] of pieces.entries()) {
        if (!(await work.reach((index + 1) / pieces.length))) return;
        const bytes = Buffer.from(piece);
        const left = breakAt === undefined ? bytes.length + 1 : breakAt - sentBytes;
        if (left >= 0 && left <= bytes.length) {
          if (left > 0) yield bytes.subarray(0, left);
          if (!(await befall())) return;
          if (left < bytes.length) yield bytes.subarray(left);
        } else yield bytes;
        sentBytes += bytes.length;
        if (entry) emulator.journal.answered(entry, piece);
      }
    } catch (error) {
      work.fail(error);
      if (!(error instanceof EmulatorError)) throw error;
      // The server stops, or the account was reset: nothing that the log should have a stack of.
      hangUp(request, false);
    } finally {
      work.complete();
    }
  }

  if (request.raw.socket.destroyed) {
    // Nobody is left to send it to, as happens after a delay: it ends like one whose client leaves on the way.
    work.complete();
    return reply.hijack();
  }
  return reply
    .header('content-type', 'text/plain; charset=utf-8')
    .header('cache-control', 'no-cache')
    .send(Readable.from(produce(), { objectMode: true }));
}
