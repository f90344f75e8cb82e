import { Base64Decoder } from './base64.ts';
import { Mp4Probe } from './mp4.ts';

const MEDIA_TYPE = 'video/mp4';

/**
 * A base64 MP4 on its way in: takes the text as it arrives, keeps only what tells about the video. Call `end` once
 * after the last piece and before asking anything.
 */
export class VideoUpload {
  /** No character of a file was sent. */
  isEmpty = true;
  /** Base64 of something that begins like an MP4 and is not said to be another media type. */
  isMp4 = false;
  isTooLarge = false;
  /** The video's true length; undefined when the file cannot be read. */
  durationMs: number | undefined;

  readonly #probe = new Mp4Probe();
  readonly #decoder: Base64Decoder;

  constructor(maxBytes: number) {
    this.#decoder = new Base64Decoder({ maxBytes, consume: (bytes) => this.#probe.write(bytes) });
  }

  write(text: Buffer): void {
    if (text.length > 0) this.isEmpty = false;
    this.#decoder.write(text);
  }

  async end(): Promise<void> {
    const decoded = this.#decoder.end();
    const probed = await this.#probe.end();
    this.isTooLarge = !decoded.ok && decoded.reason === 'too-large';
    const { mediaType } = this.#decoder;
    const isBase64 = decoded.ok || this.isTooLarge;
    this.isMp4 = isBase64 && (mediaType ?? MEDIA_TYPE) === MEDIA_TYPE && (probed.ok || probed.reason !== 'not-mp4');
    if (probed.ok) this.durationMs = probed.durationMs;
  }

  /** What is stored of an upload instead of its bytes. */
  get summary() {
    return { bytes: this.#decoder.decodedBytes, durationMs: this.durationMs ?? null };
  }
}
