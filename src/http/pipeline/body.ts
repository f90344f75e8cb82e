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
const MOST_LEVELS = 512;

const tooLarge = (limitBytes: number) =>
  new EmulatorError('BODY_TOO_LARGE', `the body is larger than ${limitBytes} bytes`);

/**
 * Hands on the chunks of a body as they arrive; none after `limitBytes`.
 * @throws EmulatorError BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE for an encoded body, MALFORMED_REQUEST when the client stops
 * in the middle
 */
export function receive(
  request: FastifyRequest,
  payload: Readable,
  limitBytes: number,
  take: (chunk: Buffer) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      reject(new EmulatorError('UNSUPPORTED_MEDIA_TYPE', `the body is encoded as ${encoding}`));
      return;
    }
    let bytes = 0;
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > limitBytes + DRAIN_BYTES) {
      reject(tooLarge(limitBytes));
      return;
    }
    payload.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limitBytes) take(chunk);
      else if (bytes > limitBytes + DRAIN_BYTES) {
        payload.pause();
        reject(tooLarge(limitBytes));
      }
    });
    let isWhole = false;
    payload.on('end', () => {
      isWhole = true;
      if (bytes > limitBytes) reject(tooLarge(limitBytes));
      else resolve();
    });
    const stop = () => {
      if (!isWhole) reject(new EmulatorError('MALFORMED_REQUEST', 'the client stopped in the middle'));
    };
    payload.on('error', stop);
    payload.on('close', stop);
  });
}

/** Keeps the text of the body on the request, for the journal. @throws EmulatorError BODY_NOT_JSON */
export function parseJson(request: FastifyRequest, bytes: Buffer): unknown {
  // RFC 8259: JSON is UTF-8, whatever the charset parameter says.
  if (!isUtf8(bytes)) throw new EmulatorError('BODY_NOT_JSON', 'the body is not valid UTF-8');
  const text = bytes.toString('utf8');
  request.bodyText = text;
  return readJson(text);
}

/** What a text says as JSON. @throws EmulatorError BODY_NOT_JSON, for what nobody could go through as well */
export function readJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    throw new EmulatorError('BODY_NOT_JSON', 'the body is not valid JSON');
  }
  if (text.length > 2 * MOST_LEVELS && isNestedDeeper(text, MOST_LEVELS)) {
    throw new EmulatorError('BODY_NOT_JSON', `the body is nested deeper than ${MOST_LEVELS} levels`);
  }
  return value;
}

/** Of a text that is JSON. */
function isNestedDeeper(text: string, most: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === '[' || character === '{') {
      depth += 1;
      if (depth > most) return true;
    } else if (character === ']' || character === '}') depth -= 1;
  }
  return false;
}

/** Where the string ends that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return end;
  }
}

/** The parser of all JSON bodies but large uploads. `whenEmpty`: what no body at all stands for, if it may. */
export function jsonParser(limitBytes: number, whenEmpty?: object) {
  return async (request: FastifyRequest, payload: Readable): Promise<unknown> => {
    const chunks: Buffer[] = [];
    await receive(request, payload, limitBytes, (chunk) => chunks.push(chunk));
    if (chunks.length === 0 && whenEmpty) return whenEmpty;
    return parseJson(request, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  };
}
