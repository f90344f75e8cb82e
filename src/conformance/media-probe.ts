import { Mp4Probe } from '../uploads/mp4.ts';
import { Differs } from './case-errors.ts';

/** What a file shows, whoever serves it. */
export interface FileFound {
  kind: 'video' | 'image';
  /** Pixels. */
  width: number;
  height: number;
  /** Of a video. */
  seconds: number;
  hasSound: boolean;
}

/** Long enough for a video of 4K that comes from far away. */
const FETCHED_WITHIN_MS = 120_000;
/** Results are some tens of MB at most. */
const MOST_BYTES = 512 * 1024 * 1024;

/** Fetches a file that an answer leads to, and looks into it. @throws Differs when it is no video and no image */
export async function fileAt(url: string): Promise<FileFound> {
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCHED_WITHIN_MS) }).catch(
    () => undefined,
  );
  if (!response) throw new Differs(`a file at ${url}`, 'no answer');
  const type = response.headers.get('content-type') ?? 'no content type';
  const [, kind] = /^(video|image)\//.exec(type) ?? [];
  if (response.status !== 200 || !kind || !response.body) {
    await response.body?.cancel();
    throw new Differs(`a video or an image at ${url}`, `${response.status}, ${type}`);
  }
  const found = await (kind === 'video' ? videoIn(response.body) : imageIn(response.body)).catch(
    () => undefined,
  );
  if (!found) throw new Differs(`${type} that can be read at ${url}`, 'another file, or one that is broken');
  return found;
}

async function videoIn(body: AsyncIterable<Uint8Array>): Promise<FileFound | undefined> {
  const probe = new Mp4Probe();
  for await (const piece of piecesOf(body)) probe.write(piece);
  const movie = await probe.end();
  if (!movie.ok) return undefined;
  const { width, height, durationMs, hasSound } = movie;
  return { kind: 'video', width, height, seconds: durationMs / 1000, hasSound };
}

async function imageIn(body: AsyncIterable<Uint8Array>): Promise<FileFound> {
  const pieces: Buffer[] = [];
  for await (const piece of piecesOf(body)) pieces.push(piece);
  const { default: sharp } = await import('sharp');
  const { width, height } = await sharp(Buffer.concat(pieces)).metadata();
  return { kind: 'image', width, height, seconds: 0, hasSound: false };
}

async function* piecesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > MOST_BYTES) throw new RangeError('longer than any result');
    yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  }
}
