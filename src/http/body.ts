import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';

/**
 * A client that is still sending when it is refused may never read the answer. So what exceeds a limit is read and
 * dropped, up to this much, before the refusal goes out.
 */
const DRAIN_BYTES = 64 * 1024 * 1024;

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
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    throw new EmulatorError('BODY_NOT_JSON', 'the body is not valid JSON');
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
