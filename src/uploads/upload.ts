import { Base64Decoder } from './base64.ts';
import { Mp4Probe } from './mp4.ts';

const MEDIA_TYPE = 'video/mp4';

/**
 * Streaming reader of a base64 MP4 upload, which keeps only the properties of the video. Call `end` after the last
 * chunk and before reading the properties.
 */
export class VideoUpload {
  /** Whether the upload has no characters. */
  isEmpty = true;
  /** Whether it is valid base64 that starts like an MP4 and does not declare another media type. */
  isMp4 = false;
  isTooLarge = false;
  /** Duration of the video; undefined if the file is unreadable. */
  durationMs: number | undefined;

  readonly #probe = new Mp4Probe();
  readonly #decoder: Base64Decoder;

  constructor(maxBytes: number) {
    this.#decoder = new Base64Decoder({ maxBytes, consume: (bytes) => this.#probe.write(bytes) });
  }

  /** Memory held at present. */
  get heldBytes(): number {
    return this.#probe.heldBytes;
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

  /** Stored in the task instead of the upload. */
  get summary() {
    return { bytes: this.#decoder.decodedBytes, durationMs: this.durationMs ?? null };
  }
}
