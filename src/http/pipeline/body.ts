import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';

/**
 * A client that is still sending when it is refused may never read the answer. So what exceeds a limit is read and
 * dropped, up to this much, before the refusal goes out.
 */
const DRAIN_BYTES = 64 * 1024 * 1024;

/**
 * Far deeper than any documented body, and far from where what goes through a body step by step, such as JSON.stringify, has no
 * stack left.
 */
const MAX_NESTING = 512;

const createTooLargeError = (limitBytes: number) =>
  new EmulatorError('BODY_TOO_LARGE', `the body is larger than ${limitBytes} bytes`);

/**
 * Hands on the chunks of a body as they arrive; none after `limitBytes`.
 * @throws EmulatorError BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE for an encoded body, MALFORMED_REQUEST when the client stops
 * in the middle
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
      if (!hasEnded) reject(new EmulatorError('MALFORMED_REQUEST', 'the client stopped in the middle'));
    };
    payload.on('error', onAborted);
    payload.on('close', onAborted);
  });
}

/** Keeps the text of the body on the request, for the journal. @throws EmulatorError BODY_NOT_JSON */
export function parseJsonBody(request: FastifyRequest, bytes: Buffer): unknown {
  // RFC 8259: JSON is UTF-8, whatever the charset parameter says.
  if (!isUtf8(bytes)) throw new EmulatorError('BODY_NOT_JSON', 'the body is not valid UTF-8');
  const text = bytes.toString('utf8');
  request.state.bodyText = text;
  return parseJsonText(text);
}

/** What a text says as JSON. @throws EmulatorError BODY_NOT_JSON, for what nobody could go through as well */
export function parseJsonText(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    throw new EmulatorError('BODY_NOT_JSON', 'the body is not valid JSON');
  }
  if (text.length > 2 * MAX_NESTING && isNestedDeeper(text, MAX_NESTING)) {
    throw new EmulatorError('BODY_NOT_JSON', `the body is nested deeper than ${MAX_NESTING} levels`);
  }
  return value;
}

/** Of a text that is JSON. */
function isNestedDeeper(text: string, max: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') at = findStringEnd(text, at);
    else if (character === '[' || character === '{') {
      depth += 1;
      if (depth > max) return true;
    } else if (character === ']' || character === '}') depth -= 1;
  }
  return false;
}

/** Where the string ends that begins at `start`. */
function findStringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
}

/** The parser of all JSON bodies but large uploads. `whenEmpty`: what no body at all stands for, if it may. */
export function createJsonParser(limitBytes: number, emptyValue?: object) {
  return async (request: FastifyRequest, payload: Readable): Promise<unknown> => {
    const chunks: Buffer[] = [];
    await readChunks(request, payload, limitBytes, (chunk) => chunks.push(chunk));
    if (chunks.length === 0 && emptyValue) return emptyValue;
    return parseJsonBody(request, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  };
}
