const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const EMPTY = Buffer.alloc(0);

/** Large enough that calls into native code do not count, small enough that what they allocate dies young. */
const PIECE_BYTES = 32 * 1024;
/** The longest end of a piece that may wait for the next: two \uXXXX of one surrogate pair, the second one cut. */
const MAX_REST_BYTES = 11;

/** Takes the characters of a string as UTF-8. The bytes are only valid during the call: copy what is to stay. */
export interface FieldSink {
  write(bytes: Buffer): void;
}

/**
 * Reads a JSON document as it arrives and keeps it, except for the string value of one member of the root object: its
 * characters go to a sink, with all escapes resolved, and an empty string takes their place.
 *
 * What is kept is as valid as the document was, for `JSON.parse` to judge: the contents of the diverted string are
 * checked here, and when they are not valid JSON, the kept text is made invalid too.
 *
 * Never throws. A document of which more than `keepLimitBytes` would have to be kept sets `overflowed`, drops all
 * that was kept and ignores the rest.
 */
export class StreamingFieldExtractor<Sink extends FieldSink> {
  /** Of the last value of the field, as in `JSON.parse`. None when there is no such member or it is not a string. */
  sink: Sink | undefined;
  /** More than `keepLimitBytes` would have been kept. `end` returns nothing then, which is not valid JSON. */
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
  /** What comes next in the root, if it is an object. */
  #next: 'name' | 'colon' | 'value' | 'comma' = 'comma';
  #nameAt = -1;
  #isField = false;

  #diverting = false;
  /** The end of the last piece, when it was cut inside of an escape or a character. */
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

  /** The document without the diverted string. */
  end(): Buffer {
    return this.#kept.subarray(0, this.#keptBytes);
  }

  /** Byte by byte: it never sees more than `keepLimitBytes`. Returns where it stopped. */
  #keepUntilField(chunk: Buffer, from: number): number {
    let unkept = from;
    for (let at = from; at < chunk.length; at++) {
      // Else a large chunk would be walked to its end before the limit is noticed.
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

  /** A byte outside of strings that is not white space. */
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
        // In an array nothing is followed by a colon, so that what is taken for a name there has no value.
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
    // Escapes make a name longer, never shorter, and six times at most.
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
    const quote = closingQuote(piece);
    const end = quote === -1 ? completeLength(piece) : quote;
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

  /** False when these are not the contents of a valid JSON string. */
  #pass(raw: Buffer): boolean {
    if (raw.length === 0) return true;
    let text: string;
    try {
      // Native, and so the fastest way to find raw control characters and to resolve the escapes.
      text = JSON.parse(`"${raw.toString('utf8')}"`);
    } catch {
      return false;
    }
    // Room for bytes that are no UTF-8: one such byte becomes the three of U+FFFD.
    if (this.#resolved.length === 0) this.#resolved = Buffer.allocUnsafe(3 * (PIECE_BYTES + MAX_REST_BYTES));
    this.sink!.write(this.#resolved.subarray(0, this.#resolved.write(text, 'utf8')));
    return true;
  }

  #ignoreTheRest(): void {
    this.#ignoring = true;
    this.sink = undefined;
  }

  /** False when there is no room left. */
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

/** The quote that ends the string, or -1. The piece begins at the beginning of a character. */
function closingQuote(piece: Buffer): number {
  const first = piece.indexOf(QUOTE);
  if (first === -1 || !isEscaped(piece, first)) return first;
  // Uploads hold no quotes, so a piece full of escaped ones is either rare or an attack: a plain walk serves both.
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

/** How much of the piece can be decoded without knowing what follows. */
function completeLength(piece: Buffer): number {
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

/** Whether an escape begins here that is only half of a character, with the other half yet to come. */
function isHighSurrogate(piece: Buffer, at: number): boolean {
  if (at < 0 || piece[at] !== BACKSLASH || isEscaped(piece, at)) return false;
  return /^\\u[dD][89abAB]/.test(piece.toString('latin1', at, at + 6));
}
