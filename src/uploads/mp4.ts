import { MAX_HEADER_BYTES, readBoxHeader } from './mp4-boxes.ts';
import { FragmentDurations } from './mp4-fragments.ts';
import { loadMp4box, type Movie, readMovie } from './mp4-movie.ts';

/** Maximum size of a buffered box: larger than the movie box of a ten-hour video. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
/** Maximum number of top-level boxes: about ten minutes of fragments with one frame each. */
const MAX_BOXES = 100_000;
const EMPTY = Buffer.alloc(0);

export type Mp4Result = ({ ok: true } & Movie) | { ok: false; reason: 'not-mp4' | 'unreadable' };

/**
 * Streaming parser for the duration, size and audio of an MP4 file. Buffers the movie box and one movie fragment box at
 * a time, and skips media data.
 */
export class Mp4Probe {
  #failure: 'not-mp4' | 'unreadable' | undefined;
  /** The start of a header that continues in the next chunk. */
  #partialHeader = EMPTY;
  #boxCount = 0;
  /** Type of the current box; undefined between boxes. */
  #type: string | undefined;
  #bodyBytesLeft = 0;
  #buffered = EMPTY;
  #bufferedBytes = 0;
  #moov: Buffer | undefined;
  readonly #fragments = new FragmentDurations();

  /** Memory held at present. */
  get heldBytes(): number {
    return this.#bufferedBytes + (this.#moov?.length ?? 0);
  }

  /** Copies the data that it keeps: the caller may reuse the chunk. */
  write(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length && !this.#failure) {
      offset = this.#type === undefined ? this.#openBox(chunk, offset) : this.#consumeBody(chunk, offset);
    }
  }

  async end(): Promise<Mp4Result> {
    if (!this.#failure && this.#bodyBytesLeft === Number.POSITIVE_INFINITY) this.#closeBox();
    if (this.#boxCount === 0) this.#failure = 'not-mp4';
    if (this.#failure) return { ok: false, reason: this.#failure };
    if (this.#type !== undefined || this.#partialHeader.length > 0 || !this.#moov) {
      return { ok: false, reason: 'unreadable' };
    }
    const mp4box = await loadMp4box();
    try {
      return { ok: true, ...readMovie(mp4box, this.#moov, this.#fragments) };
    } catch {
      return { ok: false, reason: 'unreadable' };
    }
  }

  #openBox(chunk: Buffer, offset: number): number {
    const pendingBytes = this.#partialHeader.length;
    const next = chunk.subarray(offset, offset + MAX_HEADER_BYTES);
    const bytes = pendingBytes === 0 ? next : Buffer.concat([this.#partialHeader, next]);
    const header = readBoxHeader(bytes);
    if (!header) {
      this.#partialHeader = Buffer.from(bytes);
      return chunk.length;
    }
    this.#partialHeader = EMPTY;
    if (this.#boxCount === 0 && header.type !== 'ftyp') {
      this.#failure = 'not-mp4';
      return chunk.length;
    }
    this.#boxCount++;
    this.#type = header.type;
    this.#bodyBytesLeft = header.bodyBytes;
    if (header.bodyBytes < 0 || this.#boxCount > MAX_BOXES) this.#failure = 'unreadable';
    else {
      // The system commits only memory that is written to, so a false size costs nothing.
      if (this.#isBuffered()) this.#buffered = Buffer.allocUnsafe(Math.min(header.bodyBytes, MAX_BUFFERED_BYTES));
      if (header.bodyBytes === 0) this.#closeBox();
    }
    return offset + header.headerBytes - pendingBytes;
  }

  #consumeBody(chunk: Buffer, offset: number): number {
    const part = chunk.subarray(offset, offset + Math.min(this.#bodyBytesLeft, chunk.length - offset));
    if (this.#isBuffered()) {
      if (this.#bufferedBytes + part.length > MAX_BUFFERED_BYTES) {
        this.#failure = 'unreadable';
        return chunk.length;
      }
      part.copy(this.#buffered, this.#bufferedBytes);
      this.#bufferedBytes += part.length;
    }
    this.#bodyBytesLeft -= part.length;
    if (this.#bodyBytesLeft === 0) this.#closeBox();
    return offset + part.length;
  }

  #isBuffered(): boolean {
    return this.#type === 'moof' || (this.#type === 'moov' && !this.#moov);
  }

  #closeBox(): void {
    if (this.#isBuffered()) {
      const body = this.#buffered.subarray(0, this.#bufferedBytes);
      this.#buffered = EMPTY;
      this.#bufferedBytes = 0;
      if (this.#type === 'moov') this.#moov = body;
      else this.#addFragment(body);
    }
    this.#type = undefined;
    this.#bodyBytesLeft = 0;
  }

  #addFragment(moof: Buffer): void {
    try {
      this.#fragments.add(moof);
    } catch {
      this.#failure = 'unreadable';
    }
  }
}
