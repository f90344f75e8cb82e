import { Mp4Probe } from '../uploads/mp4.ts';
import { Mismatch, Skipped } from './case-errors.ts';

/** Properties of a media file, from its content. */
export interface MediaInfo {
  kind: 'video' | 'image';
  /** Pixels. */
  width: number;
  height: number;
  /** Duration; 0 for an image. */
  seconds: number;
  hasSound: boolean;
}

/** Long enough for a 4K video over a slow connection. */
const FETCH_TIMEOUT_MS = 120_000;
/** Results have at most a few tens of MB. Videos are not held in memory. */
const MAX_VIDEO_BYTES = 512 * 1024 * 1024;
const MAX_IMAGE_BYTES = 64 * 1024 * 1024;

/** Fetches a file and reads its properties. @throws Mismatch when it is not a video or an image */
export async function probeMedia(url: string): Promise<MediaInfo> {
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) }).catch(() => undefined);
  if (!response) throw new Mismatch(`a file at ${url}`, 'no response');
  const type = response.headers.get('content-type') ?? 'no content type';
  const [, kind] = /^(video|image)\//.exec(type) ?? [];
  if (response.status !== 200 || !kind || !response.body) {
    await response.body?.cancel();
    throw new Mismatch(`a video or an image at ${url}`, `${response.status}, ${type}`);
  }
  const mediaInfo = await (kind === 'video' ? probeVideo(response.body) : probeImage(response.body)).catch((error) => {
    if (error instanceof Skipped) throw error;
    return undefined;
  });
  if (!mediaInfo) throw new Mismatch(`a valid ${type} file at ${url}`, 'a file of another type, or a damaged one');
  return mediaInfo;
}

async function probeVideo(body: AsyncIterable<Uint8Array>): Promise<MediaInfo | undefined> {
  const probe = new Mp4Probe();
  for await (const chunk of readChunks(body, MAX_VIDEO_BYTES)) probe.write(chunk);
  const movie = await probe.end();
  if (!movie.ok) return undefined;
  const { width, height, durationMs, hasSound } = movie;
  return { kind: 'video', width, height, seconds: durationMs / 1000, hasSound };
}

async function probeImage(body: AsyncIterable<Uint8Array>): Promise<MediaInfo> {
  const chunks: Buffer[] = [];
  for await (const chunk of readChunks(body, MAX_IMAGE_BYTES)) chunks.push(chunk);
  const { default: sharp } = await import('sharp').catch(() => {
    throw new Skipped('sharp, which reads images, cannot be loaded: run npm install --include=optional sharp');
  });
  const { width, height } = await sharp(Buffer.concat(chunks)).metadata();
  return { kind: 'image', width, height, seconds: 0, hasSound: false };
}

async function* readChunks(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new RangeError('the file is larger than any result');
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}
