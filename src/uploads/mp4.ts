import { LONGEST_HEADER_BYTES, readBoxHeader } from './mp4-boxes.ts';
import { FragmentLengths } from './mp4-fragments.ts';
import { loadMp4box, type Movie, readMovie } from './mp4-movie.ts';

/** A movie box of ten hours is smaller. */
const MOST_KEPT_BYTES = 8 * 1024 * 1024;
/** Some ten minutes of fragments that hold one picture each. */
const MOST_BOXES = 100_000;
const NOTHING = Buffer.alloc(0);

export type Mp4Result = ({ ok: true } & Movie) | { ok: false; reason: 'not-mp4' | 'unreadable' };

/**
 * Finds out what an MP4 file holds while it passes by. It keeps the movie box, and one movie fragment box at a time;
 * media data are skipped.
 */
export class Mp4Probe {
  #failure: 'not-mp4' | 'unreadable' | undefined;
  /** The beginning of a header that was cut by the border of a chunk. */
  #cutHeader = NOTHING;
  #boxes = 0;
  /** Of the box that is passing by. Undefined between boxes. */
  #type: string | undefined;
  #bodyBytesLeft = 0;
  #kept = NOTHING;
  #keptBytes = 0;
  #moov: Buffer | undefined;
  readonly #fragments = new FragmentLengths();

  /** Copies what it keeps, so the memory of the chunk can be used again. */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#failure) {
      at = this.#type === undefined ? this.#openBox(chunk, at) : this.#passBody(chunk, at);
    }
  }

  async end(): Promise<Mp4Result> {
    if (!this.#failure && this.#bodyBytesLeft === Number.POSITIVE_INFINITY) this.#closeBox();
    if (this.#boxes === 0) this.#failure = 'not-mp4';
    if (this.#failure) return { ok: false, reason: this.#failure };
    if (this.#type !== undefined || this.#cutHeader.length > 0 || !this.#moov) {
      return { ok: false, reason: 'unreadable' };
    }
    const mp4box = await loadMp4box();
    try {
      return { ok: true, ...readMovie(mp4box, this.#moov, this.#fragments) };
    } catch {
      return { ok: false, reason: 'unreadable' };
    }
  }

  #openBox(chunk: Buffer, at: number): number {
    const waited = this.#cutHeader.length;
    const ahead = chunk.subarray(at, at + LONGEST_HEADER_BYTES);
    const bytes = waited === 0 ? ahead : Buffer.concat([this.#cutHeader, ahead]);
    const header = readBoxHeader(bytes);
    if (!header) {
      this.#cutHeader = Buffer.from(bytes);
      return chunk.length;
    }
    this.#cutHeader = NOTHING;
    if (this.#boxes === 0 && header.type !== 'ftyp') {
      this.#failure = 'not-mp4';
      return chunk.length;
    }
    this.#boxes++;
    this.#type = header.type;
    this.#bodyBytesLeft = header.bodyBytes;
    if (header.bodyBytes < 0 || this.#boxes > MOST_BOXES) this.#failure = 'unreadable';
    else {
      // Memory that is never written to is not taken from the system, whatever size is stated here.
      if (this.#isKept()) this.#kept = Buffer.allocUnsafe(Math.min(header.bodyBytes, MOST_KEPT_BYTES));
      if (header.bodyBytes === 0) this.#closeBox();
    }
    return at + header.headerBytes - waited;
  }

  #passBody(chunk: Buffer, at: number): number {
    const piece = chunk.subarray(at, at + Math.min(this.#bodyBytesLeft, chunk.length - at));
    if (this.#isKept()) {
      if (this.#keptBytes + piece.length > MOST_KEPT_BYTES) {
        this.#failure = 'unreadable';
        return chunk.length;
      }
      piece.copy(this.#kept, this.#keptBytes);
      this.#keptBytes += piece.length;
    }
    this.#bodyBytesLeft -= piece.length;
    if (this.#bodyBytesLeft === 0) this.#closeBox();
    return at + piece.length;
  }

  #isKept(): boolean {
    return this.#type === 'moof' || (this.#type === 'moov' && !this.#moov);
  }

  #closeBox(): void {
    if (this.#isKept()) {
      const body = this.#kept.subarray(0, this.#keptBytes);
      this.#kept = NOTHING;
      this.#keptBytes = 0;
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
