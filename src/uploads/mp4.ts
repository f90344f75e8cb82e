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
 *
 * Tolerates what players tolerate: reads boxes up to the first malformed header or the end of the file, and then judges
 * by what it found.
 */
export class Mp4Probe {
  /** Whether the rest of the file is ignored, after a malformed header or fragment, or too many boxes. */
  #stopped = false;
  #hasFileType = false;
  /** The start of a header that continues in the next chunk. */
  #partialHeader = EMPTY;
  #boxCount = 0;
  /** Type of the current box; undefined between boxes. */
  #type: string | undefined;
  #bodyBytes = 0;
  #bodyBytesLeft = 0;
  #buffered = EMPTY;
  #bufferedBytes = 0;
  #moov: { body: Buffer; boxBytes: number } | undefined;
  readonly #fragments = new FragmentDurations();

  /** Memory held at present. */
  get heldBytes(): number {
    return this.#bufferedBytes + (this.#moov?.body.length ?? 0);
  }

  /** Copies the data that it keeps: the caller may reuse the chunk. */
  write(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length && !this.#stopped) {
      offset = this.#type === undefined ? this.#openBox(chunk, offset) : this.#consumeBody(chunk, offset);
    }
  }

  async end(): Promise<Mp4Result> {
    if (this.#type !== undefined) this.#closeBox();
    if (!this.#hasFileType) return { ok: false, reason: 'not-mp4' };
    if (!this.#moov) return { ok: false, reason: 'unreadable' };
    const mp4box = await loadMp4box();
    try {
      return { ok: true, ...readMovie(mp4box, this.#moov.body, this.#moov.boxBytes, this.#fragments) };
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
    if (header.bodyBytes < 0 || this.#boxCount === MAX_BOXES) {
      this.#stopped = true;
      return chunk.length;
    }
    this.#boxCount++;
    this.#type = header.type;
    this.#bodyBytes = header.bodyBytes;
    this.#bodyBytesLeft = header.bodyBytes;
    if (header.type === 'ftyp') this.#hasFileType = true;
    // The system commits only memory that is written to, so a false size costs nothing.
    if (this.#isBuffered()) this.#buffered = Buffer.allocUnsafe(Math.min(header.bodyBytes, MAX_BUFFERED_BYTES));
    if (header.bodyBytes === 0) this.#closeBox();
    return offset + header.headerBytes - pendingBytes;
  }

  #consumeBody(chunk: Buffer, offset: number): number {
    const part = chunk.subarray(offset, offset + Math.min(this.#bodyBytesLeft, chunk.length - offset));
    if (this.#isBuffered()) this.#bufferedBytes += part.copy(this.#buffered, this.#bufferedBytes);
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
      // A box that extends to the end of the file is complete there.
      const boxBytes = this.#bodyBytes === Number.POSITIVE_INFINITY ? body.length : this.#bodyBytes;
      this.#buffered = EMPTY;
      this.#bufferedBytes = 0;
      if (this.#type === 'moov') this.#moov = { body, boxBytes };
      else this.#addFragment(body, boxBytes);
    }
    this.#type = undefined;
    this.#bodyBytesLeft = 0;
  }

  #addFragment(body: Buffer, boxBytes: number): void {
    try {
      this.#fragments.add(body, boxBytes);
    } catch {
      this.#stopped = true;
    }
  }
}
