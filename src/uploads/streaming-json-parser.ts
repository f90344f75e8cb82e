const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const EMPTY = Buffer.alloc(0);

/** Large enough to amortize native calls, small enough that their garbage is collected young. */
const PIECE_BYTES = 32 * 1024;
/** The longest incomplete end of a piece: a surrogate pair of two \uXXXX escapes, the second one truncated. */
const MAX_REST_BYTES = 11;

/**
 * Receives the characters of a string as UTF-8. It must copy the bytes that it keeps: they are only valid during the
 * call.
 */
export interface FieldSink {
  write(bytes: Buffer): void;
}

/**
 * Buffers a JSON document as it arrives, except for the string value of one member of the root object: its unescaped
 * characters go to a sink, and the buffered document has an empty string instead.
 *
 * The buffered document is valid JSON exactly if the original is, so that `JSON.parse` can judge it: if the diverted
 * string is invalid, the buffered document is left incomplete.
 *
 * Never throws. If more than `keepLimitBytes` would have to be buffered, sets `overflowed`, discards the buffer and
 * ignores the rest.
 */
export class StreamingFieldExtractor<Sink extends FieldSink> {
  /**
   * Sink of the field's last value, which wins in `JSON.parse` too; undefined if the field is missing or not a string.
   */
  sink: Sink | undefined;
  /** The document exceeds `keepLimitBytes`. `end` then returns an empty buffer, which is not valid JSON. */
  overflowed = false;

  readonly #field: string;
  readonly #keepLimitBytes: number;
  readonly #openSink: () => Sink;

  #kept = Buffer.allocUnsafe(1024);
  #keptBytes = 0;
  #ignoring = false;

  #depth = 0;
  #inString = false;
  #escaped = false;
  /** The next token expected in the root object. */
  #next: 'name' | 'colon' | 'value' | 'comma' = 'comma';
  #nameAt = -1;
  #isField = false;

  #diverting = false;
  /** The end of the last piece, if it ends inside of an escape or a character. */
  #rest = EMPTY;
  #resolved = EMPTY;

  constructor(options: { field: string; keepLimitBytes: number; sink: () => Sink }) {
    this.#field = options.field;
    this.#keepLimitBytes = options.keepLimitBytes;
    this.#openSink = options.sink;
  }

  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#ignoring) {
      at = this.#diverting ? this.#divert(chunk, at) : this.#keepUntilField(chunk, at);
    }
  }

  /** Returns the document without the diverted string. */
  end(): Buffer {
    return this.#kept.subarray(0, this.#keptBytes);
  }

  /** Scans byte by byte, at most `keepLimitBytes` in all. Returns the offset after the last scanned byte. */
  #keepUntilField(chunk: Buffer, from: number): number {
    let unkept = from;
    for (let at = from; at < chunk.length; at++) {
      // Otherwise the limit would be checked only at the end of a large chunk.
      if (at - unkept >= PIECE_BYTES) {
        if (!this.#keep(chunk.subarray(unkept, at))) return at;
        unkept = at;
      }
      const byte = chunk[at]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) {
          this.#inString = false;
          if (this.#nameAt === -1) continue;
          if (!this.#keep(chunk.subarray(unkept, at + 1))) return at;
          unkept = at + 1;
          this.#isField = this.#isNameOfField(this.#kept.subarray(this.#nameAt, this.#keptBytes - 1));
          if (this.#ignoring) return at;
          this.#nameAt = -1;
          this.#next = 'colon';
        }
      } else if (byte === QUOTE) {
        const inRoot = this.#depth === 1;
        if (inRoot && this.#next === 'value' && this.#isField) {
          this.#next = 'comma';
          if (!this.#keep(chunk.subarray(unkept, at + 1))) return at;
          this.#diverting = true;
          this.sink = this.#openSink();
          return at + 1;
        }
        if (inRoot && this.#next === 'name') this.#nameAt = this.#keptBytes + at + 1 - unkept;
        else if (inRoot) this.#next = 'comma';
        this.#inString = true;
      } else if (byte > 0x20) this.#follow(byte);
    }
    this.#keep(chunk.subarray(unkept));
    return chunk.length;
  }

  /** Handles a byte outside of strings that is not whitespace. */
  #follow(byte: number): void {
    const inRoot = this.#depth === 1;
    if (inRoot && byte === COLON && this.#next === 'colon') {
      this.#next = 'value';
      return;
    }
    if (inRoot && this.#next === 'value') {
      if (this.#isField) this.sink = undefined;
      this.#next = 'comma';
    }
    switch (byte) {
      case 0x7b: // {
      case 0x5b: // [
        // A root array needs no distinction: without colons, no string in it counts as a name with a value.
        if (this.#depth === 0) this.#next = 'name';
        this.#depth++;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        this.#depth--;
        break;
      case COMMA:
        if (inRoot) this.#next = 'name';
        break;
    }
  }

  #isNameOfField(raw: Buffer): boolean {
    // Escapes make a name up to six times longer, never shorter.
    const bytes = Buffer.byteLength(this.#field);
    if (raw.length < bytes || raw.length > bytes * 6) return false;
    try {
      return JSON.parse(`"${raw.toString('utf8')}"`) === this.#field;
    } catch {
      // The kept object is never closed, so the document stays invalid.
      this.#ignoreTheRest();
      return false;
    }
  }

  #divert(chunk: Buffer, from: number): number {
    const arrived = chunk.subarray(from, from + PIECE_BYTES);
    const waited = this.#rest.length;
    const piece = waited === 0 ? arrived : Buffer.concat([this.#rest, arrived]);
    const quote = findClosingQuote(piece);
    const end = quote === -1 ? getCompleteLength(piece) : quote;
    if (!this.#pass(piece.subarray(0, end))) {
      // The kept string is never closed, so the document stays invalid.
      this.#ignoreTheRest();
      return chunk.length;
    }
    if (quote === -1) {
      this.#rest = Buffer.from(piece.subarray(end));
      return from + arrived.length;
    }
    this.#rest = EMPTY;
    this.#diverting = false;
    this.#keep(piece.subarray(quote, quote + 1));
    return from + quote - waited + 1;
  }

  /** Passes string contents to the sink; false if they are not valid in a JSON string. */
  #pass(raw: Buffer): boolean {
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

  #ignoreTheRest(): void {
    this.#ignoring = true;
    this.sink = undefined;
  }

  /** Buffers bytes; false if the limit is exceeded. */
  #keep(bytes: Buffer): boolean {
    const needed = this.#keptBytes + bytes.length;
    if (needed > this.#keepLimitBytes) {
      this.overflowed = true;
      this.#ignoreTheRest();
      this.#kept = EMPTY;
      this.#keptBytes = 0;
      return false;
    }
    if (needed > this.#kept.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#keepLimitBytes, Math.max(needed, this.#kept.length * 2)));
      this.#kept.copy(larger, 0, 0, this.#keptBytes);
      this.#kept = larger;
    }
    bytes.copy(this.#kept, this.#keptBytes);
    this.#keptBytes = needed;
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
