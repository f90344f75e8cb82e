const CHUNK_CHARACTERS = 32 * 1024;
const MAX_HEADER_CHARACTERS = 1024;
/** Accepts commas in parameters (`codecs=avc1,mp4a`): the standard forbids them, but real data URLs have them. */
const DATA_URL_HEADER = /^data:([^;,]*)(?:;[^;]*)*?; *base64,/i;

export type Base64Result =
  | { ok: true; mediaType: string | undefined; decodedBytes: number }
  | { ok: false; reason: 'invalid' | 'too-large' };

/**
 * Streaming base64 decoder for plain text and data URLs. Buffers only the characters of an incomplete group.
 *
 * After `maxBytes`, or after invalid text, further input is accepted and discarded.
 */
export class Base64Decoder {
  /** Media type of the data URL, in lower case; undefined for plain base64 or an empty type. */
  mediaType: string | undefined;
  /** Bytes passed to `consume` so far, at most `maxBytes`. */
  decodedBytes = 0;
  tooLarge = false;
  invalid = false;

  readonly #maxBytes: number;
  readonly #consume: (bytes: Buffer) => void;
  /** The start of the text, until it is known whether it is a data URL; then undefined. */
  #head: string | undefined = '';
  /** Up to three characters of an incomplete group of four. */
  #rest = '';
  #padding = 0;
  /** Reused for all chunks, to avoid garbage of the size of the upload. */
  #decoded = Buffer.alloc(0);

  /** `consume` must copy the bytes that it keeps: they are only valid during the call. */
  constructor(options: { maxBytes: number; consume: (bytes: Buffer) => void }) {
    this.#maxBytes = options.maxBytes;
    this.#consume = options.consume;
  }

  write(text: Buffer): void {
    for (let offset = 0; offset < text.length && !this.invalid && !this.tooLarge; offset += CHUNK_CHARACTERS) {
      const chunk = text.toString('latin1', offset, offset + CHUNK_CHARACTERS);
      if (this.#head === undefined) this.#readCharacters(chunk);
      else this.#readHead(this.#head + chunk);
    }
  }

  end(): Base64Result {
    if (this.#head !== undefined) {
      const text = this.#head;
      this.#head = undefined;
      if (isDataUrl(text)) this.invalid = true;
      else this.#readCharacters(text);
    }
    if (!this.invalid && !this.tooLarge) this.#flushRest();
    if (this.tooLarge) return { ok: false, reason: 'too-large' };
    if (this.invalid || this.decodedBytes === 0) return { ok: false, reason: 'invalid' };
    return { ok: true, mediaType: this.mediaType, decodedBytes: this.decodedBytes };
  }

  #readHead(text: string): void {
    const head = text.replace(/^[\t\n\f\r ]+/, '');
    this.#head = head;
    if (!isDataUrl(head)) {
      if (head.length < 5 && isDataUrl(`${head}${'data:'.slice(head.length)}`)) return;
      this.#head = undefined;
      this.#readCharacters(head);
      return;
    }
    const header = DATA_URL_HEADER.exec(head.slice(0, MAX_HEADER_CHARACTERS));
    if (header) {
      this.mediaType = header[1]!.trim().toLowerCase() || undefined;
      this.#head = undefined;
      this.#readCharacters(head.slice(header[0].length));
    } else if (head.length >= MAX_HEADER_CHARACTERS) {
      this.invalid = true;
    }
  }

  #readCharacters(text: string): void {
    if (this.#padding > 0) {
      this.#readPadding(text);
      return;
    }
    const padding = text.indexOf('=');
    this.#decode(padding === -1 ? text : text.slice(0, padding));
    if (padding !== -1) this.#readPadding(text.slice(padding));
  }

  #readPadding(text: string): void {
    const characters = text.replace(/[\t\n\f\r ]+/g, '');
    this.#padding += characters.length;
    if (this.#padding > 2 || characters !== '='.repeat(characters.length)) this.invalid = true;
  }

  #decode(text: string): void {
    const groups = this.#rest + text;
    // Valid text without whitespace is the common case.
    if (this.#decodeGroups(groups)) return;
    const stripped = groups.replace(/[\t\n\f\r ]+/g, '');
    if (stripped.length === groups.length || !this.#decodeGroups(stripped)) this.invalid = true;
  }

  #decodeGroups(text: string): boolean {
    const alignedLength = text.length - (text.length % 4);
    if (alignedLength > 0) {
      const decoded = this.#decodeExactly(text.slice(0, alignedLength), (alignedLength / 4) * 3);
      if (!decoded) return false;
      this.#emit(decoded);
    }
    this.#rest = text.slice(alignedLength);
    return true;
  }

  /**
   * Node's decoder skips invalid characters, which makes the result too short: checking its length is much faster than
   * validating the text. Only `-` and `_` of the URL alphabet need a separate check.
   */
  #decodeExactly(text: string, bytes: number): Buffer | undefined {
    if (this.#decoded.length < bytes) this.#decoded = Buffer.allocUnsafe(Math.max(bytes, CHUNK_CHARACTERS));
    if (text.includes('-') || text.includes('_')) return undefined;
    return this.#decoded.write(text, 'base64') === bytes ? this.#decoded.subarray(0, bytes) : undefined;
  }

  #emit(bytes: Buffer): void {
    if (this.decodedBytes + bytes.length > this.#maxBytes) {
      this.tooLarge = true;
      return;
    }
    this.decodedBytes += bytes.length;
    this.#consume(bytes);
  }

  #flushRest(): void {
    const rest = this.#rest.replace(/[\t\n\f\r ]+/g, '');
    const missing = (4 - (rest.length % 4)) % 4;
    if (missing === 3 || (this.#padding > 0 && this.#padding !== missing)) {
      this.invalid = true;
      return;
    }
    if (rest === '') return;
    const decoded = this.#decodeExactly(rest, 3 - missing);
    if (decoded) this.#emit(decoded);
    else this.invalid = true;
  }
}

function isDataUrl(text: string): boolean {
  return /^data:/i.test(text);
}
