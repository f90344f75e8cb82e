import type { AllRegisteredBoxes } from 'mp4box';
import { lazy } from '../core/file-descriptors.ts';
import { type Box, findBox, readBoxes } from './mp4-boxes.ts';
import { type FragmentDurations, MAX_TRACKS, readDefaultDurations } from './mp4-fragments.ts';

type Mp4box = typeof import('mp4box');

const EMPTY = Buffer.alloc(0);

export interface Movie {
  durationMs: number;
  /** Pixels; 0 when only the data of the codec has the size. */
  width: number;
  height: number;
  hasSound: boolean;
}

/** Covers all fields that are read here; only names of handlers and codecs can be longer. */
const BOX_BODY_BYTES = 248;
/** The part that all video sample entries share; it is followed by codec-specific boxes. */
const VISUAL_SAMPLE_ENTRY_BYTES = 78;

export const loadMp4box = lazy(async (): Promise<Mp4box> => {
  const mp4box = await import('mp4box');
  // mp4box logs malformed boxes to the console at every log level.
  mp4box.Log.error = () => {};
  return mp4box;
});

/**
 * Reads duration, size and audio presence from the body of a movie box. `body` may lack the end of its `boxBytes`, and
 * malformed boxes count as missing.
 *
 * mp4box only gets single boxes of a fixed size, never tables or containers: it trusts the counts in them and would
 * build lists of billions of samples.
 *
 * @throws RangeError without a movie header, a video track or any duration
 */
export function readMovie(mp4box: Mp4box, body: Buffer, boxBytes: number, fragments: FragmentDurations): Movie {
  const boxes = [...readBoxes(body, boxBytes)];
  const header = boxes.find(({ type }) => type === 'mvhd');
  if (!header) throw new RangeError('the movie has no header');
  const { duration, timescale } = readBox(mp4box, 'mvhd', header.body);
  const mvex = boxes.find(({ type }) => type === 'mvex');
  const defaultDurations = mvex ? readDefaultDurations(mvex.body) : undefined;
  const tracks = boxes
    .filter(({ type }) => type === 'trak')
    .slice(0, MAX_TRACKS)
    .flatMap(({ body: trak }) => readTrack(mp4box, trak, timescale, fragments, defaultDurations) ?? []);
  const video = tracks.find(({ kind }) => kind === 'video');
  if (!video) throw new RangeError('the movie has no video track');

  // The tracks come first, because they are what plays: the header of a movie can have no duration, or a wrong one.
  const seconds = Math.max(...tracks.map((track) => track.seconds)) || toSeconds(duration, timescale);
  if (seconds === 0) throw new RangeError('the movie has no duration');
  return {
    durationMs: Math.max(1, Math.round(seconds * 1000)),
    width: video.width,
    height: video.height,
    hasSound: tracks.some(({ kind }) => kind === 'audio'),
  };
}

interface Track extends Pick<Movie, 'width' | 'height'> {
  kind: 'video' | 'audio';
  /** 0 when unknown. */
  seconds: number;
}

/** Reads a track; undefined if it is neither video nor audio, or names no codec. */
function readTrack(
  mp4box: Mp4box,
  trak: Buffer,
  movieTimescale: number,
  fragments: FragmentDurations,
  defaultDurations: Map<number, number> | undefined,
): Track | undefined {
  const mdia = findBox(trak, 'mdia') ?? EMPTY;
  const stbl = findBox(mdia, 'minf', 'stbl') ?? EMPTY;
  const [entry] = readBoxes(findBox(stbl, 'stsd')?.subarray(8) ?? EMPTY);
  if (!entry) return undefined;
  const { handler } = readBox(mp4box, 'hdlr', findBox(mdia, 'hdlr'));
  const visualEntry = handler === 'soun' ? undefined : readVisualEntry(mp4box, entry);
  if (handler !== 'soun' && handler !== 'vide' && !visualEntry) return undefined;

  const { track_id: id, width, height } = readBox(mp4box, 'tkhd', findBox(trak, 'tkhd'));
  const { duration, timescale } = readBox(mp4box, 'mdhd', findBox(mdia, 'mdhd'));
  const fragmented = defaultDurations ? fragments.ticksFor(id, defaultDurations.get(id) ?? 0) : 0;
  const sampled = toSeconds(sumSampleTicks(findBox(stbl, 'stts')) + fragmented, timescale);
  const declared = toSeconds(duration, timescale);
  const edited = toSeconds(sumEditTicks(findBox(trak, 'edts', 'elst')), movieTimescale);
  return {
    kind: handler === 'soun' ? 'audio' : 'video',
    // The headers of a fragmented file may only cover the samples before the first fragment.
    seconds: fragmented > 0 ? Math.max(declared, sampled) : getShortest(edited, declared, sampled),
    width: visualEntry?.width || width >>> 16,
    height: visualEntry?.height || height >>> 16,
  };
}

/** Returns the shortest of the known durations. ffprobe does the same: each of them can be longer than what plays. */
function getShortest(...seconds: number[]): number {
  const known = seconds.filter((duration) => duration > 0);
  return known.length > 0 ? Math.min(...known) : 0;
}

/** Converts a duration in units of a time scale; 0 when it is unknown. All bits set mean an unknown duration. */
function toSeconds(ticks: number, timescale: number): number {
  if (ticks === 0xffffffff || ticks >= 2 ** 63) return 0;
  const seconds = ticks / timescale;
  return seconds > 0 && seconds * 1000 <= Number.MAX_SAFE_INTEGER ? seconds : 0;
}

/** Sums the sample durations of a time-to-sample table. */
function sumSampleTicks(stts: Buffer = EMPTY): number {
  return sumEntries(stts, 8, (at) => stts.readUInt32BE(at) * stts.readUInt32BE(at + 4));
}

/** Sums the durations in an edit list. */
function sumEditTicks(elst: Buffer = EMPTY): number {
  if (elst[0] === 1) return sumEntries(elst, 20, (at) => Number(elst.readBigUInt64BE(at)));
  return sumEntries(elst, 12, (at) => elst.readUInt32BE(at));
}

function sumEntries(table: Buffer, entryBytes: number, readTicks: (offset: number) => number): number {
  if (table.length < 8) return 0;
  const end = Math.min(8 + table.readUInt32BE(4) * entryBytes, table.length - entryBytes + 1);
  let ticks = 0;
  for (let offset = 8; offset < end; offset += entryBytes) ticks += readTicks(offset);
  return ticks;
}

/** Reads a sample entry; undefined if mp4box does not know its type as a video codec. */
function readVisualEntry(mp4box: Mp4box, { type, body }: Box) {
  const entry = buildBox(type, body, VISUAL_SAMPLE_ENTRY_BYTES);
  const stsd = Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]), entry]);
  const [read] = readBox(mp4box, 'stsd', stsd).entries;
  return read instanceof mp4box.VisualSampleEntry ? read : undefined;
}

type ReadableBox = 'mvhd' | 'tkhd' | 'mdhd' | 'hdlr' | 'stsd';

/** Parses one box in a separate stream. The fields of a missing box, and of the missing end of a box, are 0. */
function readBox<T extends ReadableBox>(mp4box: Mp4box, type: T, body: Buffer = EMPTY): AllRegisteredBoxes[T] {
  const bytes = buildBox(type, body, BOX_BODY_BYTES);
  const buffer = mp4box.MP4BoxBuffer.fromArrayBuffer(bytes.buffer, 0);
  const [box] = mp4box.createFile(false, new mp4box.MultiBufferStream(buffer)).boxes;
  if (!box) throw new RangeError(`${type} cannot be read`);
  return box as AllRegisteredBoxes[T];
}

/**
 * Builds a box of `bodyBytes`, with the body cut or padded with zeros. Allocated outside of Buffer's pool, because
 * mp4box uses the whole underlying ArrayBuffer.
 */
function buildBox(type: string, body: Buffer, bodyBytes: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(8 + bodyBytes);
  bytes.writeUInt32BE(bytes.length, 0);
  bytes.write(type, 4, 'latin1');
  body.copy(bytes, 8, 0, bodyBytes);
  return bytes;
}
