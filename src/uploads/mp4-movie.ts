import type { AllRegisteredBoxes } from 'mp4box';
import { lazy } from '../core/file-descriptors.ts';
import { findBox, readBoxes } from './mp4-boxes.ts';
import type { FragmentDurations } from './mp4-fragments.ts';

type Mp4box = typeof import('mp4box');

export interface Movie {
  durationMs: number;
  width: number;
  height: number;
  hasSound: boolean;
}

/** Covers all fields that are read here; only names of handlers and codecs can be longer. */
const MAX_BOX_BODY_BYTES = 248;
/** The part that all video sample entries share; it is followed by codec-specific boxes. */
const VISUAL_SAMPLE_ENTRY_BYTES = 78;

export const loadMp4box = lazy(async (): Promise<Mp4box> => {
  const mp4box = await import('mp4box');
  // mp4box logs malformed boxes to the console at every log level.
  mp4box.Log.error = () => {};
  return mp4box;
});

/**
 * Reads duration, size and audio presence from a movie box.
 *
 * mp4box only gets single boxes of a fixed size, never tables or containers: it trusts the counts in them and would
 * build lists of billions of samples.
 *
 * @throws Error of any kind when the movie has no video track or is malformed
 */
export function readMovie(mp4box: Mp4box, moov: Buffer, fragments: FragmentDurations): Movie {
  const trak = findTrack(mp4box, moov, 'vide');
  if (!trak) throw new RangeError('the movie has no video track');
  const trackHeader = readBox(mp4box, 'tkhd', findBox(trak, 'tkhd'));
  const entry = readSampleEntry(mp4box, findBox(trak, 'mdia', 'minf', 'stbl', 'stsd'));
  const visualEntry = entry instanceof mp4box.VisualSampleEntry ? entry : undefined;
  const width = visualEntry?.width || trackHeader.width >>> 16;
  const height = visualEntry?.height || trackHeader.height >>> 16;
  if (width === 0 || height === 0) throw new RangeError('the video has no size');

  const seconds = readDurationSeconds(mp4box, moov, trak, trackHeader.track_id, fragments);
  const durationMs = Math.round(seconds * 1000);
  if (!(durationMs > 0 && durationMs <= Number.MAX_SAFE_INTEGER)) throw new RangeError('the video has no length');
  return { durationMs, width, height, hasSound: hasSoundTrack(mp4box, moov) };
}

function readDurationSeconds(
  mp4box: Mp4box,
  moov: Buffer,
  trak: Buffer,
  trackId: number,
  fragments: FragmentDurations,
): number {
  const header = readBox(mp4box, 'mvhd', findBox(moov, 'mvhd'));
  const declared = isUnknownDuration(header.duration) ? 0 : header.duration;
  const mvex = findBox(moov, 'mvex');
  if (!mvex) return declared / header.timescale;

  const fragmented = fragments.ticksFor(trackId, findDefaultDuration(mp4box, mvex, trackId));
  const unfragmented = sumSampleTicks(findBox(trak, 'mdia', 'minf', 'stbl', 'stts'));
  // If some samples precede the first fragment, the movie header states the duration of those only.
  const isPartial = fragmented > 0 && unfragmented > 0;
  if (declared > 0 && !isPartial) return declared / header.timescale;

  const mehd = findBox(mvex, 'mehd');
  const total = mehd ? readBox(mp4box, 'mehd', mehd).fragment_duration : 0;
  if (total > 0 && !isUnknownDuration(total)) return total / header.timescale;
  const { timescale } = readBox(mp4box, 'mdhd', findBox(trak, 'mdia', 'mdhd'));
  return (unfragmented + fragmented) / timescale;
}

/** All bits set means an unknown duration. */
function isUnknownDuration(duration: number): boolean {
  return duration === 0xffffffff || duration >= 2 ** 63;
}

/** Finds the first video or audio track. */
function findTrack(mp4box: Mp4box, moov: Buffer, kind: 'vide' | 'soun'): Buffer | undefined {
  for (const { type, body } of readBoxes(moov)) {
    const handler = type === 'trak' ? findBox(body, 'mdia', 'hdlr') : undefined;
    if (handler && readBox(mp4box, 'hdlr', handler).handler === kind) return body;
  }
  return undefined;
}

/** A malformed track after the video counts as no audio: it does not make the video unreadable. */
function hasSoundTrack(mp4box: Mp4box, moov: Buffer): boolean {
  try {
    return findTrack(mp4box, moov, 'soun') !== undefined;
  } catch {
    return false;
  }
}

function findDefaultDuration(mp4box: Mp4box, mvex: Buffer, trackId: number): number {
  for (const { type, body } of readBoxes(mvex)) {
    if (type !== 'trex') continue;
    const defaults = readBox(mp4box, 'trex', body);
    if (defaults.track_id === trackId) return defaults.default_sample_duration;
  }
  return 0;
}

/** Sums the sample durations of a time-to-sample table. */
function sumSampleTicks(stts: Buffer | undefined): number {
  if (!stts) return 0;
  const entries = stts.readUInt32BE(4);
  let ticks = 0;
  // Throws a RangeError if the table declares more entries than it has.
  for (let offset = 8; offset < 8 + entries * 8; offset += 8)
    ticks += stts.readUInt32BE(offset) * stts.readUInt32BE(offset + 4);
  return ticks;
}

function readSampleEntry(mp4box: Mp4box, stsd: Buffer | undefined) {
  if (!stsd) throw new RangeError('the track has no sample description');
  for (const entry of readBoxes(stsd.subarray(8))) {
    const singleEntry = Buffer.concat([
      Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]),
      buildBox(entry.type, entry.body.subarray(0, VISUAL_SAMPLE_ENTRY_BYTES)),
    ]);
    return readBox(mp4box, 'stsd', singleEntry).entries[0];
  }
  throw new RangeError('the sample description has no entry');
}

type ReadableBox = 'mvhd' | 'mehd' | 'trex' | 'tkhd' | 'mdhd' | 'hdlr' | 'stsd';

/** Parses one box in a separate stream, so that reading past its end is an error. */
function readBox<T extends ReadableBox>(mp4box: Mp4box, type: T, body: Buffer | undefined): AllRegisteredBoxes[T] {
  if (!body) throw new RangeError(`box ${type} is missing`);
  const bytes = buildBox(type, body.subarray(0, MAX_BOX_BODY_BYTES));
  const buffer = mp4box.MP4BoxBuffer.fromArrayBuffer(bytes.buffer, 0);
  const [box] = mp4box.createFile(false, new mp4box.MultiBufferStream(buffer)).boxes;
  if (!box) throw new RangeError(`${type} cannot be read`);
  return box as AllRegisteredBoxes[T];
}

/** Allocated outside of Buffer's pool, because mp4box uses the whole underlying ArrayBuffer. */
function buildBox(type: string, body: Buffer): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(8 + body.length);
  bytes.writeUInt32BE(bytes.length, 0);
  bytes.write(type, 4, 'latin1');
  body.copy(bytes, 8);
  return bytes;
}
