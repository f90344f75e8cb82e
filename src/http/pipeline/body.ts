import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import { JsonLimitError, type JsonLimits, parseJson } from '../../core/json.ts';
import type { CommonCode } from './error-table.ts';
import { onFinished } from './response-lifecycle.ts';

/**
 * A client that is still sending its body may never read an error response. Up to this many bytes are therefore read
 * and discarded: of a body over the limit before the response is sent, and of any other after an early response.
 */
export const DRAIN_BYTES = 64 * 1024 * 1024;

/**
 * Far more than any documented body has, and far from what takes long: a body with 70,000 fields occupies the event loop
 * for a tenth of a second.
 */
const LIMITS: JsonLimits = { maxNesting: 512, maxValues: 20_000 };

const EMPTY = Buffer.alloc(0);

const createTooLargeError = (limitBytes: number) =>
  new EmulatorError('BODY_TOO_LARGE', `the body is larger than ${limitBytes} bytes`);

/** Bodies up to this size are not counted in the memory account: most are smaller, and counting would slow them down. */
const SMALL_BODY_BYTES = 2048;

/** Receives the chunks of a body. */
export interface BodySink {
  /** Memory that the sink holds at present. */
  readonly heldBytes: number;
  /** Must not keep the chunk after `discard`. */
  write(chunk: Buffer): void;
  /** Releases all memory. Further chunks are not written. */
  discard(): void;
}

/**
 * Reads the chunks of a body into `sink` as they arrive, and resolves at its end. The memory that the sink holds counts
 * until the response is sent.
 * @throws BODY_TOO_LARGE when the body is larger than `limitBytes`
 * @throws OUT_OF_MEMORY when it exceeds the memory budget
 * @throws UNSUPPORTED_CONTENT_CODING when the body is compressed
 * @throws MALFORMED_REQUEST when the client disconnects before the end
 */
export function readBody(
  request: FastifyRequest,
  payload: Readable,
  limitBytes: number,
  sink: BodySink,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      reject(new EmulatorError('UNSUPPORTED_CONTENT_CODING', `the body is encoded as ${encoding}`));
      return;
    }
    let bytes = 0;
    const declaredBytes = Number(request.headers['content-length'] ?? 0);
    if (declaredBytes > limitBytes + DRAIN_BYTES) {
      reject(createTooLargeError(limitBytes));
      return;
    }
    /** The error that the client gets when it has sent the rest of the body, which is not kept. */
    let refusal: Error | undefined;
    const refuse = (error: Error) => {
      refusal = error;
      sink.discard();
      countBody(request, 0);
    };
    payload.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limitBytes + DRAIN_BYTES) {
        payload.pause();
        reject(createTooLargeError(limitBytes));
        return;
      }
      request.server.bodyTurns.onChunk(payload, chunk.length);
      if (refusal) return;
      if (bytes > limitBytes) refuse(createTooLargeError(limitBytes));
      else {
        try {
          sink.write(chunk);
          if (!countBody(request, sink.heldBytes)) refuse(createOutOfMemoryError());
        } catch (error) {
          // Thrown to Node's parser, it would end the process.
          refuse(error as Error);
        }
      }
    });
    let hasEnded = false;
    payload.on('end', () => {
      hasEnded = true;
      if (refusal) reject(refusal);
      else resolve();
    });
    const onBroken = () => {
      if (hasEnded) return;
      sink.discard();
      const code = brokenBodies.get(request.raw) ?? 'MALFORMED_REQUEST';
      reject(new EmulatorError(code, 'the body is malformed or incomplete'));
    };
    payload.on('error', onBroken);
    payload.on('close', onBroken);
    if (brokenBodies.has(request.raw)) onBroken();
  });
}

/** The errors of requests whose bodies will never be complete, although their connections are open. */
const brokenBodies = new WeakMap<IncomingMessage, CommonCode>();

/** Fails the reading of a body with the error `code`, now or when it begins. The request then gets its response. */
export function failBody(request: IncomingMessage, code: CommonCode): void {
  brokenBodies.set(request, code);
  if (request.listenerCount('error') > 0) request.emit('error', new EmulatorError(code, 'the body is malformed'));
}

const createOutOfMemoryError = () => new EmulatorError('OUT_OF_MEMORY', 'the body exceeds the memory budget');

/**
 * Counts the memory held for the body of a request until the response is sent. Returns false when the budget is
 * exceeded; the previous count then remains.
 */
function countBody(request: FastifyRequest, heldBytes: number): boolean {
  const { state, server } = request;
  const { memory } = server;
  const added = heldBytes - state.bodyBytes;
  if (added === 0 || (state.bodyBytes === 0 && heldBytes <= SMALL_BODY_BYTES)) return true;
  if (added < 0) memory.add('bodies', added);
  else if (!memory.reserve('bodies', added)) return false;
  if (state.bodyBytes === 0) {
    onFinished(request, state.reply, () => {
      memory.add('bodies', -state.bodyBytes);
      state.bodyBytes = 0;
    });
  }
  state.bodyBytes = heldBytes;
  return true;
}

/** A sink that keeps the whole body. Clients decide on the size of chunks, so each chunk is not kept on its own. */
export class BodyBuffer implements BodySink {
  #buffer: Buffer = EMPTY;
  #length = 0;

  get heldBytes(): number {
    return this.#buffer.length;
  }

  get bytes(): Buffer {
    return this.#buffer.length === this.#length ? this.#buffer : this.#buffer.subarray(0, this.#length);
  }

  write(chunk: Buffer): void {
    if (this.#length === 0) {
      // Most bodies are a single chunk.
      this.#buffer = chunk;
      this.#length = chunk.length;
      return;
    }
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2, SMALL_BODY_BYTES));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    chunk.copy(this.#buffer, this.#length);
    this.#length = needed;
  }

  discard(): void {
    this.#buffer = EMPTY;
    this.#length = 0;
  }
}

/**
 * Parses a body and keeps its text in the request state, for the journal.
 * @throws BODY_NOT_JSON if it is not JSON
 * @throws OUT_OF_MEMORY if the parsed value exceeds the memory budget
 */
export function parseJsonBody(request: FastifyRequest, bytes: Buffer): unknown {
  // JSON is UTF-8, whatever the charset parameter says (RFC 8259, section 8.1).
  if (!isUtf8(bytes)) throw new EmulatorError('BODY_NOT_JSON', 'the body is not valid UTF-8');
  const text = bytes.toString('utf8');
  if (bytes.length > SMALL_BODY_BYTES && !countBody(request, 2 * bytes.length)) throw createOutOfMemoryError();
  request.state.bodyText = text;
  return parseJsonText(text);
}

/** Parses JSON. @throws BODY_NOT_JSON when the text is not JSON, nested too deep or made of too many values */
export function parseJsonText(text: string): unknown {
  try {
    return parseJson(text, LIMITS);
  } catch (error) {
    // The message of a SyntaxError quotes the body, which must not get into the log.
    const reason = error instanceof JsonLimitError ? error.message : 'not valid JSON';
    throw new EmulatorError('BODY_NOT_JSON', `the body is ${reason}`);
  }
}

/**
 * Creates the parser of JSON bodies, except large uploads.
 * @param emptyValue Value of an empty body; without it an empty body is an error
 */
export function createJsonParser(limitBytes: number, emptyValue?: object) {
  return async (request: FastifyRequest, payload: Readable): Promise<unknown> => {
    const body = new BodyBuffer();
    await readBody(request, payload, limitBytes, body);
    const { bytes } = body;
    if (bytes.length === 0 && emptyValue) return emptyValue;
    return parseJsonBody(request, bytes);
  };
}
