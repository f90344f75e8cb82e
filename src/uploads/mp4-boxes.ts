const SHORT_HEADER_BYTES = 8;
export const MAX_HEADER_BYTES = 16;
/** Maximum number of boxes in one box, far above that of real files, against files made to waste CPU time. */
const MAX_BOXES = 5000;

export interface BoxHeader {
  type: string;
  headerBytes: number;
  /** Infinite when the box extends to the end of its container; negative when its size is invalid. */
  bodyBytes: number;
}

/** Reads a box header; undefined if `bytes` ends inside of it. */
export function readBoxHeader(bytes: Buffer, offset = 0): BoxHeader | undefined {
  if (bytes.length - offset < SHORT_HEADER_BYTES) return undefined;
  const type = bytes.toString('latin1', offset + 4, offset + 8);
  const size = bytes.readUInt32BE(offset);
  if (size === 0) return { type, headerBytes: SHORT_HEADER_BYTES, bodyBytes: Number.POSITIVE_INFINITY };
  if (size !== 1) return { type, headerBytes: SHORT_HEADER_BYTES, bodyBytes: size - SHORT_HEADER_BYTES };
  if (bytes.length - offset < MAX_HEADER_BYTES) return undefined;
  const bodyBytes = Number(bytes.readBigUInt64BE(offset + 8)) - MAX_HEADER_BYTES;
  return { type, headerBytes: MAX_HEADER_BYTES, bodyBytes };
}

/**
 * Iterates over the direct children of a box.
 * @throws RangeError when a box exceeds its container, or there are more than MAX_BOXES
 */
export function* readBoxes(body: Buffer): Generator<{ type: string; body: Buffer }> {
  let offset = 0;
  // Some writers leave a few zero bytes at the end.
  for (let boxes = 0; body.length - offset >= SHORT_HEADER_BYTES; boxes++) {
    const header = readBoxHeader(body, offset);
    if (!header) throw new RangeError('a header is truncated');
    if (boxes === MAX_BOXES) throw new RangeError('too many boxes');
    offset += header.headerBytes;
    const remaining = body.length - offset;
    const bodyBytes = header.bodyBytes === Number.POSITIVE_INFINITY ? remaining : header.bodyBytes;
    if (bodyBytes < 0 || bodyBytes > remaining) throw new RangeError('a box exceeds its container');
    yield { type: header.type, body: body.subarray(offset, offset + bodyBytes) };
    offset += bodyBytes;
  }
}

/** Finds the body of the first box at a path of types. */
export function findBox(body: Buffer, ...path: [string, ...string[]]): Buffer | undefined {
  const [type, ...rest] = path;
  for (const box of readBoxes(body)) {
    if (box.type === type) return rest.length === 0 ? box.body : findBox(box.body, ...(rest as [string]));
  }
  return undefined;
}
