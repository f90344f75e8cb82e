const SHORT_HEADER_BYTES = 8;
export const LONGEST_HEADER_BYTES = 16;
/** In one other box. Far more than a file has: what has more was made to waste time. */
const MOST_BOXES = 5000;

export interface BoxHeader {
  type: string;
  headerBytes: number;
  /** Infinite when the box goes on to the end of what holds it; negative when its size is nonsense. */
  bodyBytes: number;
}

/** Undefined while there are too few bytes. */
export function readBoxHeader(bytes: Buffer, at = 0): BoxHeader | undefined {
  if (bytes.length - at < SHORT_HEADER_BYTES) return undefined;
  const type = bytes.toString('latin1', at + 4, at + 8);
  const size = bytes.readUInt32BE(at);
  if (size === 0) return { type, headerBytes: SHORT_HEADER_BYTES, bodyBytes: Number.POSITIVE_INFINITY };
  if (size !== 1) return { type, headerBytes: SHORT_HEADER_BYTES, bodyBytes: size - SHORT_HEADER_BYTES };
  if (bytes.length - at < LONGEST_HEADER_BYTES) return undefined;
  const bodyBytes = Number(bytes.readBigUInt64BE(at + 8)) - LONGEST_HEADER_BYTES;
  return { type, headerBytes: LONGEST_HEADER_BYTES, bodyBytes };
}

/**
 * The boxes that lie directly in a body.
 * @throws RangeError when one does not fit, or there are too many
 */
export function* boxesIn(body: Buffer): Generator<{ type: string; body: Buffer }> {
  let at = 0;
  // Some writers leave a few zero bytes at the end.
  for (let boxes = 0; body.length - at >= SHORT_HEADER_BYTES; boxes++) {
    const header = readBoxHeader(body, at);
    if (!header) throw new RangeError('a header is cut');
    if (boxes === MOST_BOXES) throw new RangeError('too many boxes');
    at += header.headerBytes;
    const left = body.length - at;
    const bodyBytes = header.bodyBytes === Number.POSITIVE_INFINITY ? left : header.bodyBytes;
    if (bodyBytes < 0 || bodyBytes > left)
      throw new RangeError('a box does not fit into the one that holds it');
    yield { type: header.type, body: body.subarray(at, at + bodyBytes) };
    at += bodyBytes;
  }
}

/** The body of the first box at the end of the path. */
export function findBox(body: Buffer, ...path: [string, ...string[]]): Buffer | undefined {
  const [type, ...below] = path;
  for (const box of boxesIn(body)) {
    if (box.type === type) return below.length === 0 ? box.body : findBox(box.body, ...(below as [string]));
  }
  return undefined;
}
