import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import { JsonNestingError, parseJson } from '../../core/json.ts';

/**
 * A client that is still sending its body may never read an error response. Up to this many bytes over the limit are
 * therefore read and discarded before the response is sent.
 */
const DRAIN_BYTES = 64 * 1024 * 1024;

/**
 * Far more than any documented body has, and far from the nesting at which recursive functions, such as JSON.stringify,
 * overflow the stack.
 */
const MAX_NESTING = 512;

const createTooLargeError = (limitBytes: number) =>
  new EmulatorError('BODY_TOO_LARGE', `the body is larger than ${limitBytes} bytes`);

/**
 * Calls `onChunk` with the chunks of a body as they arrive, and resolves at its end.
 * @throws BODY_TOO_LARGE when the body is larger than `limitBytes`
 * @throws UNSUPPORTED_MEDIA_TYPE when the body is compressed
 * @throws MALFORMED_REQUEST when the client disconnects before the end
 */
export function readChunks(
  request: FastifyRequest,
  payload: Readable,
  limitBytes: number,
  onChunk: (chunk: Buffer) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      reject(new EmulatorError('UNSUPPORTED_MEDIA_TYPE', `the body is encoded as ${encoding}`));
      return;
    }
    let bytes = 0;
    const declaredBytes = Number(request.headers['content-length'] ?? 0);
    if (declaredBytes > limitBytes + DRAIN_BYTES) {
      reject(createTooLargeError(limitBytes));
      return;
    }
    payload.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limitBytes) onChunk(chunk);
      else if (bytes > limitBytes + DRAIN_BYTES) {
        payload.pause();
        reject(createTooLargeError(limitBytes));
      }
    });
    let hasEnded = false;
    payload.on('end', () => {
      hasEnded = true;
      if (bytes > limitBytes) reject(createTooLargeError(limitBytes));
      else resolve();
    });
    const onAborted = () => {
      if (!hasEnded)
        reject(new EmulatorError('MALFORMED_REQUEST', 'the client disconnected before the end of the body'));
    };
    payload.on('error', onAborted);
    payload.on('close', onAborted);
  });
}

/** Parses a body and keeps its text in the request state, for the journal. @throws BODY_NOT_JSON if it is not JSON */
export function parseJsonBody(request: FastifyRequest, bytes: Buffer): unknown {
  // JSON is UTF-8, whatever the charset parameter says (RFC 8259, section 8.1).
  if (!isUtf8(bytes)) throw new EmulatorError('BODY_NOT_JSON', 'the body is not valid UTF-8');
  const text = bytes.toString('utf8');
  request.state.bodyText = text;
  return parseJsonText(text);
}

/** Parses JSON. @throws BODY_NOT_JSON when the text is not JSON or nested too deep to be processed */
export function parseJsonText(text: string): unknown {
  try {
    return parseJson(text, MAX_NESTING);
  } catch (error) {
    // The message of a SyntaxError quotes the body, which must not get into the log.
    const reason = error instanceof JsonNestingError ? error.message : 'not valid JSON';
    throw new EmulatorError('BODY_NOT_JSON', `the body is ${reason}`);
  }
}

/**
 * Creates the parser of JSON bodies, except large uploads.
 * @param emptyValue Value of an empty body; without it an empty body is an error
 */
export function createJsonParser(limitBytes: number, emptyValue?: object) {
  return async (request: FastifyRequest, payload: Readable): Promise<unknown> => {
    const chunks: Buffer[] = [];
    await readChunks(request, payload, limitBytes, (chunk) => chunks.push(chunk));
    if (chunks.length === 0 && emptyValue) return emptyValue;
    return parseJsonBody(request, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  };
}
