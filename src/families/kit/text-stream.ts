import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import type { Effect } from '../../core/faults/fault-rules.ts';
import { type Random, seededRandom } from '../../core/random.ts';
import type { Order } from '../../core/tasks/task.ts';
import type { HttpContext } from '../../http/context.ts';
import { closeConnection } from '../../http/faults/effects.ts';
import { getStreamEffect } from '../../http/faults/hooks.ts';
import { getAccount } from '../../http/pipeline/request-state.ts';
import { MAX_TIMER_MS, startSynchronousTask } from './synchronous-task.ts';

const CHARACTERS_PER_CHUNK = 48;
const MIN_CHUNKS = 6;

const isEmptyEffect = (effect: Effect) => Object.keys(effect).length === 0;

/** Splits a text into chunks between code points, never inside one. */
export function chunkText(text: string): string[] {
  const characters = Array.from(text);
  const size = Math.max(1, Math.min(CHARACTERS_PER_CHUNK, Math.ceil(characters.length / MIN_CHUNKS)));
  const chunks: string[] = [];
  for (let at = 0; at < characters.length; at += size) chunks.push(characters.slice(at, at + size).join(''));
  return chunks;
}

/** First byte of a character that UTF-8 encodes in several bytes. */
const isLeadByte = (byte: number) => byte >= 0xc0;
const countBytes = (leadByte: number) => (leadByte >= 0xf0 ? 4 : leadByte >= 0xe0 ? 3 : 2);

/**
 * Moves the boundaries between chunks into the next character of several bytes, if the following chunk has one. Clients
 * that decode each chunk on its own then show replacement characters.
 */
export function splitCharacters(chunks: readonly Buffer[], random: Random): Buffer[] {
  const split = [...chunks];
  for (let index = 1; index < split.length; index++) {
    const next = split[index]!;
    const lead = next.findIndex(isLeadByte);
    if (lead === -1) continue;
    const end = lead + random.int(1, countBytes(next[lead]!) - 1);
    split[index - 1] = Buffer.concat([split[index - 1]!, next.subarray(0, end)]);
    split[index] = next.subarray(end);
  }
  return split;
}

/**
 * Charges for a text and streams it. On a real clock, its chunks are spread over the task's simulated time; on a frozen
 * or auto clock, they are sent without waiting. The hold is captured when the text is complete or the client
 * disconnects, and refunded when the server or a fault breaks off the stream or `write` throws.
 *
 * @throws INSUFFICIENT_CREDITS
 * @throws TOO_MANY_STREAMS when the limit of concurrent responses is reached
 */
export function streamText(
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  order: Order,
  write: (random: Random) => string,
): FastifyReply {
  const work = startSynchronousTask(context, request, reply, order);
  let text: string;
  try {
    text = write(seededRandom('text', getAccount(request).seed, work.task.seq));
  } catch (error) {
    work.fail(error);
    throw error;
  }
  const chunks = chunkText(text);
  const encoded = chunks.map((chunk) => Buffer.from(chunk));
  const splits = context.settings.splitCharacters || request.state.faults?.directive.split === true;
  const pieces = splits
    ? splitCharacters(encoded, seededRandom('split', getAccount(request).seed, work.task.seq))
    : encoded;
  const effect = getStreamEffect(context, request, work.task.plan.outcome);
  const breakAt = isEmptyEffect(effect) ? undefined : (effect.truncateAfter ?? Buffer.byteLength(text) >> 1);
  const { journalEntry: entry } = request.state;

  /** Applies the fault at its position in the text. Returns false if it ends the stream. */
  async function applyEffect(): Promise<boolean> {
    if (effect.delayMs !== undefined && !(await work.pause(effect.delayMs))) return false;
    if (effect.hang) await work.pause(MAX_TIMER_MS);
    if (effect.hang) return false;
    const breaksOff = effect.fail || effect.reset || effect.empty;
    if (effect.delayMs !== undefined && !breaksOff) return true;
    work.fail(new EmulatorError('GENERATION_FAILED', 'an injected fault breaks off the stream'));
    closeConnection(request, effect.reset === true);
    return false;
  }

  async function* produce() {
    // Lets the client know at once that the request was accepted, before the first chunk.
    reply.raw.flushHeaders();
    let sentBytes = 0;
    let hasApplied = false;
    try {
      for (const [index, chunk] of chunks.entries()) {
        if (!(await work.waitForShare((index + 1) / chunks.length))) return;
        const bytes = pieces[index]!;
        const left = breakAt === undefined ? bytes.length + 1 : breakAt - sentBytes;
        if (!hasApplied && left <= bytes.length) {
          hasApplied = true;
          if (left > 0) yield bytes.subarray(0, left);
          if (!(await applyEffect())) return;
          if (left < bytes.length) yield bytes.subarray(left);
        } else yield bytes;
        sentBytes += bytes.length;
        entry?.appendResponseBody(chunk);
      }
    } catch (error) {
      work.fail(error);
      if (!(error instanceof EmulatorError)) throw error;
      // The server is stopping, or the account was reset: not worth a stack trace in the log.
      closeConnection(request, false);
    } finally {
      work.complete();
    }
  }

  if (request.raw.socket.destroyed) {
    // The client disconnected before the first chunk, for example during an injected delay.
    work.complete();
    return reply.hijack();
  }
  return reply
    .header('content-type', 'text/plain; charset=utf-8')
    .header('cache-control', 'no-cache')
    .send(Readable.from(produce(), { objectMode: true }));
}
