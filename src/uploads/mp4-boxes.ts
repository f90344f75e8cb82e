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

export interface Box {
  type: string;
  body: Buffer;
}

/** Reads a box header; undefined if `bytes` ends inside of it. */
export function readBoxHeader(bytes: Buffer, offset = 0): BoxHeader | undefined {
  if (bytes.length - offset < SHORT_HEADER_BYTES) return undefined;
  // Several times faster than a call of toString.
  const type = String.fromCharCode(bytes[offset + 4]!, bytes[offset + 5]!, bytes[offset + 6]!, bytes[offset + 7]!);
  const size = bytes.readUInt32BE(offset);
  if (size === 0) return { type, headerBytes: SHORT_HEADER_BYTES, bodyBytes: Number.POSITIVE_INFINITY };
  if (size !== 1) return { type, headerBytes: SHORT_HEADER_BYTES, bodyBytes: size - SHORT_HEADER_BYTES };
  if (bytes.length - offset < MAX_HEADER_BYTES) return undefined;
  const bodyBytes = Number(bytes.readBigUInt64BE(offset + 8)) - MAX_HEADER_BYTES;
  return { type, headerBytes: MAX_HEADER_BYTES, bodyBytes };
}

/**
 * Iterates over the direct children of a box up to the first malformed header. A child that exceeds its container ends
 * with it, as in players. If `body` lacks the end of the container, a child that continues there is left out.
 */
export function* readBoxes(body: Buffer, containerBytes = body.length): Generator<Box> {
  let offset = 0;
  for (let boxes = 0; boxes < MAX_BOXES; boxes++) {
    const header = readBoxHeader(body, offset);
    if (!header || header.bodyBytes < 0) return;
    const start = offset + header.headerBytes;
    offset = Math.min(start + header.bodyBytes, containerBytes);
    if (offset > body.length) return;
    yield { type: header.type, body: body.subarray(start, offset) };
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
