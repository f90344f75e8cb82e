import { findBox, readBoxes } from './mp4-boxes.ts';

/** Maximum number of tracks, far above that of real files, against files made to waste memory or CPU time. */
export const MAX_TRACKS = 256;

const TFHD_BASE_DATA_OFFSET = 0x1;
const TFHD_SAMPLE_DESCRIPTION = 0x2;
const TFHD_DEFAULT_DURATION = 0x8;
const TRUN_DATA_OFFSET = 0x1;
const TRUN_FIRST_SAMPLE_FLAGS = 0x4;
const TRUN_DURATIONS = 0x100;
const TRUN_FIELDS = [TRUN_DURATIONS, 0x200, 0x400, 0x800];

/**
 * Sums the sample durations of movie fragments per track, so that fragments need not be kept.
 *
 * Does not use mp4box, which builds a list of all samples and trusts the sample count of a fragment.
 */
export class FragmentDurations {
  readonly #tracks = new Map<number, { ticks: number; untimedSamples: number }>();

  /**
   * Adds a movie fragment box. `body` may lack the end of its `boxBytes`.
   *
   * @throws RangeError when the fragment is malformed
   */
  add(body: Buffer, boxBytes: number): void {
    for (const { type, body: traf } of readBoxes(body, boxBytes)) if (type === 'traf') this.#addTrack(traf);
  }

  /** In units of the track's time scale. */
  ticksFor(trackId: number, defaultDuration: number): number {
    const track = this.#tracks.get(trackId);
    return track ? track.ticks + track.untimedSamples * defaultDuration : 0;
  }

  #addTrack(traf: Buffer): void {
    const header = findBox(traf, 'tfhd');
    if (!header) throw new RangeError('a track fragment has no header');
    const trackId = header.readUInt32BE(4);
    const duration = parseDefaultDuration(header);
    const track = this.#tracks.get(trackId) ?? { ticks: 0, untimedSamples: 0 };
    this.#tracks.set(trackId, track);
    if (this.#tracks.size > MAX_TRACKS) throw new RangeError('too many tracks');

    for (const { type, body } of readBoxes(traf)) {
      if (type !== 'trun') continue;
      const run = readRun(body);
      if (run.ticks !== undefined) track.ticks += run.ticks;
      else if (duration !== undefined) track.ticks += run.samples * duration;
      else track.untimedSamples += run.samples;
    }
  }
}

/** Reads the default sample durations of a movie's fragments, by track. */
export function readDefaultDurations(mvex: Buffer): Map<number, number> {
  const durations = new Map<number, number>();
  for (const { type, body: trex } of readBoxes(mvex)) {
    if (type === 'trex' && trex.length >= 16) durations.set(trex.readUInt32BE(4), trex.readUInt32BE(12));
  }
  return durations;
}

function parseDefaultDuration(tfhd: Buffer): number | undefined {
  const flags = tfhd.readUIntBE(1, 3);
  if ((flags & TFHD_DEFAULT_DURATION) === 0) return undefined;
  const optionalBytes = (flags & TFHD_BASE_DATA_OFFSET ? 8 : 0) + (flags & TFHD_SAMPLE_DESCRIPTION ? 4 : 0);
  return tfhd.readUInt32BE(8 + optionalBytes);
}

/** Reads a track run; `ticks` is absent when all samples have the default duration. */
function readRun(trun: Buffer): { samples: number; ticks?: number } {
  const flags = trun.readUIntBE(1, 3);
  const samples = trun.readUInt32BE(4);
  const firstSampleOffset = 8 + (flags & TRUN_DATA_OFFSET ? 4 : 0) + (flags & TRUN_FIRST_SAMPLE_FLAGS ? 4 : 0);
  const sampleBytes = 4 * TRUN_FIELDS.filter((field) => flags & field).length;
  if (firstSampleOffset + samples * sampleBytes > trun.length)
    throw new RangeError('a run declares more samples than it has');
  if ((flags & TRUN_DURATIONS) === 0) return { samples };
  let ticks = 0;
  for (let sample = 0; sample < samples; sample++) ticks += trun.readUInt32BE(firstSampleOffset + sample * sampleBytes);
  return { samples, ticks };
}
