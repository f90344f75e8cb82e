const CHUNK_CHARACTERS = 32 * 1024;
const MAX_HEADER_CHARACTERS = 1024;
/** Commas stand in the parameters of real data URLs (`codecs=avc1,mp4a`), though the standard forbids them there. */
const DATA_URL_HEADER = /^data:([^;,]*)(?:;[^;]*)*?; *base64,/i;

export type Base64Result =
  | { ok: true; mediaType: string | undefined; decodedBytes: number }
  | { ok: false; reason: 'invalid' | 'too-large' };

/**
 * Decodes base64, bare or as a data URL, as its text arrives, and hands the bytes on. It keeps nothing but the few
 * characters that do not make up whole bytes yet.
 *
 * After `maxBytes`, or something that is no base64, all further text is accepted and dropped.
 */
export class Base64Decoder {
  /** Of the data URL, in lower case; undefined when there is none or its type is empty. */
  mediaType: string | undefined;
  /** Handed on so far: `maxBytes` at most. */
  decodedBytes = 0;
  tooLarge = false;
  invalid = false;

  readonly #maxBytes: number;
  readonly #consume: (bytes: Buffer) => void;
  /** The beginning of the text, until it is known whether it is a data URL. */
  #head: string | undefined = '';
  /** Up to three characters that wait for the rest of their group of four. */
  #rest = '';
  #padding = 0;
  /** Reused, so that an upload leaves no garbage of its own size. */
  #decoded = Buffer.alloc(0);

  /** The bytes that `consume` gets are only valid during the call: it has to copy what is to stay. */
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
    // Valid text without white space is the common case, so it is tried first.
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
   * Node's decoder skips what it does not know, so that the result is shorter than it should be: that is much faster to
   * check than the text is. Only the two signs of the URL alphabet pass it.
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
