const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const EMPTY = Buffer.alloc(0);

/** Large enough to amortize native calls, small enough that their garbage is collected young. */
const PIECE_BYTES = 32 * 1024;
/**
 * Values of the field in one document. Each opens a sink, which costs far more than its bytes do, and no client sends the
 * field twice.
 */
const MAX_VALUES = 100;
/** The longest incomplete end of a piece: a surrogate pair of two \uXXXX escapes, the second one truncated. */
const MAX_REST_BYTES = 11;

/**
 * Receives the characters of a string as UTF-8. It must copy the bytes that it keeps: they are only valid during the
 * call.
 */
export interface FieldSink {
  /** Memory that the sink holds at present. */
  readonly heldBytes: number;
  write(bytes: Buffer): void;
}

/**
 * Buffers a JSON document as it arrives, except for the string value of one member of the root object: its unescaped
 * characters go to a sink, and the buffered document has an empty string instead.
 *
 * The buffered document is valid JSON exactly if the original is and has the field at most 100 times, so that
 * `JSON.parse` can judge it: if the diverted string is invalid, the buffered document is left incomplete.
 *
 * Never throws. If more than `keepLimitBytes` would have to be buffered, sets `overflowed`, discards the buffer and
 * ignores the rest.
 */
export class StreamingFieldExtractor<Sink extends FieldSink> {
  /**
   * Sink of the field's last value, which wins in `JSON.parse` too; undefined if the field is missing or not a string.
   */
  sink: Sink | undefined;
  /** Whether the document exceeds `keepLimitBytes`. `end` then returns an empty buffer, which is not valid JSON. */
  overflowed = false;

  readonly #field: string;
  readonly #keepLimitBytes: number;
  readonly #openSink: () => Sink;

  #buffered = Buffer.allocUnsafe(1024);
  #bufferedBytes = 0;
  #discarding = false;

  #depth = 0;
  #inString = false;
  #escaped = false;
  /** The next token expected in the root object. */
  #expected: 'name' | 'colon' | 'value' | 'comma' = 'comma';
  #nameOffset = -1;
  #isField = false;
  #valueCount = 0;

  #diverting = false;
  /** The end of the last piece, if it ends inside of an escape or a character. */
  #rest = EMPTY;
  #resolved = EMPTY;

  constructor(options: { field: string; keepLimitBytes: number; sink: () => Sink }) {
    this.#field = options.field;
    this.#keepLimitBytes = options.keepLimitBytes;
    this.#openSink = options.sink;
  }

  /** Memory held at present, including that of the sink. */
  get heldBytes(): number {
    return this.#buffered.length + this.#resolved.length + (this.sink?.heldBytes ?? 0);
  }

  /** Releases all memory and ignores further chunks. The document stays invalid. */
  discard(): void {
    this.#discardRest();
    this.#buffered = EMPTY;
    this.#bufferedBytes = 0;
    this.#resolved = EMPTY;
  }

  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#discarding) {
      at = this.#diverting ? this.#divert(chunk, at) : this.#bufferUntilField(chunk, at);
    }
  }

  /** Returns the document without the diverted string. */
  end(): Buffer {
    return this.#buffered.subarray(0, this.#bufferedBytes);
  }

  /** Scans byte by byte, at most `keepLimitBytes` in all. Returns the offset after the last scanned byte. */
  #bufferUntilField(chunk: Buffer, from: number): number {
    let unbuffered = from;
    for (let at = from; at < chunk.length; at++) {
      // Otherwise the limit would be checked only at the end of a large chunk.
      if (at - unbuffered >= PIECE_BYTES) {
        if (!this.#append(chunk.subarray(unbuffered, at))) return at;
        unbuffered = at;
      }
      const byte = chunk[at]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) {
          this.#inString = false;
          if (this.#nameOffset === -1) continue;
          if (!this.#append(chunk.subarray(unbuffered, at + 1))) return at;
          unbuffered = at + 1;
          this.#isField = this.#matchesField(this.#buffered.subarray(this.#nameOffset, this.#bufferedBytes - 1));
          this.#nameOffset = -1;
          this.#expected = 'colon';
        }
      } else if (byte === QUOTE) {
        if (this.#expected === 'value' && this.#isField) {
          this.#expected = 'comma';
          if (!this.#append(chunk.subarray(unbuffered, at + 1))) return at;
          this.#valueCount += 1;
          if (this.#valueCount > MAX_VALUES) {
            // The buffered string is never closed, so the document is invalid.
            this.#discardRest();
            return at;
          }
          this.#diverting = true;
          this.sink = this.#openSink();
          return at + 1;
        }
        if (this.#expected === 'name') this.#nameOffset = this.#bufferedBytes + at + 1 - unbuffered;
        this.#inString = true;
      } else if (byte > 0x20) this.#trackStructure(byte);
    }
    this.#append(chunk.subarray(unbuffered));
    return chunk.length;
  }

  /** Handles a byte outside of strings that is not whitespace. */
  #trackStructure(byte: number): void {
    const inRoot = this.#depth === 1;
    if (inRoot && byte === COLON && this.#expected === 'colon') {
      this.#expected = 'value';
      return;
    }
    if (inRoot && this.#expected === 'value') {
      if (this.#isField) this.sink = undefined;
      this.#expected = 'comma';
    }
    switch (byte) {
      case 0x7b: // {
      case 0x5b: // [
        // A root array needs no distinction: without colons, no string in it counts as a name with a value.
        if (this.#depth === 0) this.#expected = 'name';
        this.#depth++;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        this.#depth--;
        break;
      case COMMA:
        if (inRoot) this.#expected = 'name';
        break;
    }
  }

  #matchesField(raw: Buffer): boolean {
    // Escapes make a name up to six times longer, never shorter.
    const bytes = Buffer.byteLength(this.#field);
    if (raw.length < bytes || raw.length > bytes * 6) return false;
    try {
      return JSON.parse(`"${raw.toString('utf8')}"`) === this.#field;
    } catch {
      // The buffered document has this name, too, so it stays invalid.
      return false;
    }
  }

  #divert(chunk: Buffer, from: number): number {
    const received = chunk.subarray(from, from + PIECE_BYTES);
    const restBytes = this.#rest.length;
    const piece = restBytes === 0 ? received : Buffer.concat([this.#rest, received]);
    const quote = findClosingQuote(piece);
    const end = quote === -1 ? getCompleteLength(piece) : quote;
    if (!this.#passToSink(piece.subarray(0, end))) {
      // The buffered string is never closed, so the document stays invalid.
      this.#discardRest();
      return chunk.length;
    }
    if (quote === -1) {
      this.#rest = Buffer.from(piece.subarray(end));
      return from + received.length;
    }
    this.#rest = EMPTY;
    this.#diverting = false;
    this.#append(piece.subarray(quote, quote + 1));
    return from + quote - restBytes + 1;
  }

  /** Passes string contents to the sink; false if they are not valid in a JSON string. */
  #passToSink(raw: Buffer): boolean {
    if (raw.length === 0) return true;
    let text: string;
    try {
      // Native code, and therefore the fastest way to reject raw control characters and resolve escapes.
      text = JSON.parse(`"${raw.toString('utf8')}"`);
    } catch {
      return false;
    }
    // An invalid UTF-8 byte becomes the three bytes of U+FFFD.
    if (this.#resolved.length === 0) this.#resolved = Buffer.allocUnsafe(3 * (PIECE_BYTES + MAX_REST_BYTES));
    this.sink!.write(this.#resolved.subarray(0, this.#resolved.write(text, 'utf8')));
    return true;
  }

  #discardRest(): void {
    this.#discarding = true;
    this.sink = undefined;
  }

  /** Buffers bytes; false if the limit is exceeded. */
  #append(bytes: Buffer): boolean {
    const needed = this.#bufferedBytes + bytes.length;
    if (needed > this.#keepLimitBytes) {
      this.overflowed = true;
      this.discard();
      return false;
    }
    if (needed > this.#buffered.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#keepLimitBytes, Math.max(needed, this.#buffered.length * 2)));
      this.#buffered.copy(larger, 0, 0, this.#bufferedBytes);
      this.#buffered = larger;
    }
    bytes.copy(this.#buffered, this.#bufferedBytes);
    this.#bufferedBytes = needed;
    return true;
  }
}

/** Finds the quote that ends the string; -1 if there is none. The piece starts at a character boundary. */
function findClosingQuote(piece: Buffer): number {
  const first = piece.indexOf(QUOTE);
  if (first === -1 || !isEscaped(piece, first)) return first;
  // Uploads contain no quotes: escaped ones are rare or an attack, and a linear scan handles both.
  for (let at = 0; at < piece.length; at++) {
    if (piece[at] === BACKSLASH) at++;
    else if (piece[at] === QUOTE) return at;
  }
  return -1;
}

function isEscaped(piece: Buffer, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && piece[before] === BACKSLASH) before--;
  return (at - before) % 2 === 0;
}

/** Length of the prefix that can be decoded without the next piece. */
function getCompleteLength(piece: Buffer): number {
  const end = piece.length;
  for (let back = 1; back <= 3 && back <= end; back++) {
    const byte = piece[end - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (needed > back) return end - back;
    break;
  }
  const last = piece.lastIndexOf(BACKSLASH);
  if (last === -1 || end - last > 6 || isEscaped(piece, last)) return end;
  const needed = piece[last + 1] === 0x75 ? 6 : 2; // u
  if (last + needed > end) return isHighSurrogate(piece, last - 6) ? last - 6 : last;
  return last + 6 === end && isHighSurrogate(piece, last) ? last : end;
}

/** Whether a \uXXXX escape of a high surrogate starts at this offset. */
function isHighSurrogate(piece: Buffer, at: number): boolean {
  if (at < 0 || piece[at] !== BACKSLASH || isEscaped(piece, at)) return false;
  return /^\\u[dD][89abAB]/.test(piece.toString('latin1', at, at + 6));
}
