export interface Mp4Options {
  /** In units of `timescale`. */
  duration?: number;
  timescale?: number;
  /** Version of the movie header; 1 has 64-bit times. */
  version?: 0 | 1;
  width?: number;
  height?: number;
  video?: boolean;
  audio?: boolean;
  moov?: 'first' | 'last';
  mdatBytes?: number;
  /** Size field of the media data box: 32 or 64 bits, or open, up to the end of the file. */
  mdatSize?: '32' | '64' | 'open';
  /** Spreads the samples over this many movie fragments. */
  fragments?: number;
  /** The box that has the sample durations of fragments. */
  sampleDurations?: 'trun' | 'tfhd' | 'trex';
  /** The box that declares the duration of a fragmented file. */
  declared?: 'mvhd' | 'mehd' | 'nowhere';
  /** Duration of the samples before the first fragment, in units of `timescale`. */
  unfragmented?: number;
}

const SAMPLES_PER_FRAGMENT = 10;
const VIDEO_TRACK = 1;
const AUDIO_TRACK = 2;

export const u16 = (value: number) => toBytes(2, (bytes) => bytes.writeUInt16BE(value));
export const u32 = (value: number) => toBytes(4, (bytes) => bytes.writeUInt32BE(value));
export const u64 = (value: number | bigint) => toBytes(8, (bytes) => bytes.writeBigUInt64BE(BigInt(value)));
export const zeros = (bytes: number) => Buffer.alloc(bytes);

export function box(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(8 + body.length), Buffer.from(type, 'latin1'), body]);
}

export function fullBox(type: string, version: number, flags: number, ...parts: Buffer[]): Buffer {
  return box(type, u32(version * 0x1000000 + flags), ...parts);
}

export const ftyp = () => box('ftyp', Buffer.from('isom'), u32(512), Buffer.from('isomavc1mp41'));

/** Builds an MP4 file of a valid structure, with zeros as media data. */
export function makeMp4(options: Mp4Options = {}): Buffer {
  const { fragments = 0, moov: position = 'first', mdatBytes = 64, mdatSize = '32' } = options;
  const moov = movie(options);
  if (fragments > 0) return Buffer.concat([ftyp(), moov, ...buildFragments(options)]);
  const mdat = mediaData(mdatBytes, mdatSize);
  return Buffer.concat(position === 'first' ? [ftyp(), moov, mdat] : [ftyp(), mdat, moov]);
}

export function movie(options: Mp4Options = {}): Buffer {
  const { duration = 5000, timescale = 1000, version = 0, video = true, audio = false } = options;
  const { fragments = 0, declared = 'nowhere', unfragmented = 0 } = options;
  const inMovie = fragments === 0 || declared === 'mvhd' ? duration : unfragmented;
  const inTracks = fragments === 0 ? duration : unfragmented;
  const tracks = [...(video ? [VIDEO_TRACK] : []), ...(audio ? [AUDIO_TRACK] : [])];
  const perSample = options.sampleDurations === 'trex' ? getSampleDuration(options) : 0;
  const extension = box(
    'mvex',
    ...(declared === 'mehd' ? [fullBox('mehd', 0, 0, u32(duration))] : []),
    ...tracks.map((id) => fullBox('trex', 0, 0, u32(id), u32(1), u32(perSample), zeros(8))),
  );
  return box(
    'moov',
    fullBox('mvhd', version, 0, times(version, timescale, inMovie), buildMvhdTail()),
    ...tracks.map((id) => track(id, options, inTracks)),
    ...(fragments > 0 ? [extension] : []),
  );
}

/** Builds a valid file with one kind of box in its movie box replaced. */
export function movieWith(type: string, other: Buffer, options?: Mp4Options): Buffer {
  return replaceBoxes(Buffer.concat([ftyp(), movie(options), mediaData(8)]), type, () => other);
}

const CONTAINERS = ['moov', 'trak', 'edts', 'mdia', 'minf', 'stbl', 'mvex', 'moof', 'traf'];

/** Replaces all boxes of a type, and adjusts the sizes of the boxes around them. The index counts boxes of the type. */
export function replaceBoxes(file: Buffer, type: string, replace: (box: Buffer, index: number) => Buffer): Buffer {
  let index = 0;
  // Rebuilt from the inside, to adjust the sizes of the enclosing boxes.
  const rebuild = (body: Buffer): Buffer => {
    const parts: Buffer[] = [];
    for (let at = 0; at < body.length; at += body.readUInt32BE(at)) {
      const child = body.subarray(at, at + body.readUInt32BE(at));
      const name = child.toString('latin1', 4, 8);
      if (name === type) parts.push(replace(child, index++));
      else parts.push(CONTAINERS.includes(name) ? box(name, rebuild(child.subarray(8))) : child);
    }
    return Buffer.concat(parts);
  };
  const replaced = rebuild(file);
  if (index === 0) throw new RangeError(`the file has no box ${type}`);
  return replaced;
}

export function mediaData(bytes: number, size: '32' | '64' | 'open' = '32'): Buffer {
  if (size === '32') return box('mdat', zeros(bytes));
  const head = size === '64' ? [u32(1), Buffer.from('mdat'), u64(16 + bytes)] : [u32(0), Buffer.from('mdat')];
  return Buffer.concat([...head, zeros(bytes)]);
}

function times(version: 0 | 1, timescale: number, duration: number): Buffer {
  return version === 1
    ? Buffer.concat([zeros(16), u32(timescale), u64(duration)])
    : Buffer.concat([zeros(8), u32(timescale), u32(duration)]);
}

function buildMvhdTail(): Buffer {
  return Buffer.concat([u32(0x10000), u16(0x100), zeros(10), matrix(), zeros(24), u32(3)]);
}

function matrix(): Buffer {
  return Buffer.concat([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].map(u32));
}

function track(id: number, options: Mp4Options, duration: number): Buffer {
  const { timescale = 1000, width = 640, height = 360 } = options;
  const isVideo = id === VIDEO_TRACK;
  const size = isVideo ? Buffer.concat([u32(width * 0x10000), u32(height * 0x10000)]) : zeros(8);
  const tkhd = [zeros(8), u32(id), zeros(4), u32(duration), zeros(16), matrix(), size];
  const samples = duration > 0 ? [u32(1), u32(1), u32(duration)] : [u32(0)];
  return box(
    'trak',
    fullBox('tkhd', 0, 3, ...tkhd),
    box(
      'mdia',
      fullBox('mdhd', 0, 0, times(0, timescale, duration), u16(0x55c4), zeros(2)),
      fullBox('hdlr', 0, 0, zeros(4), Buffer.from(isVideo ? 'vide' : 'soun'), zeros(12), Buffer.from('Handler\0')),
      box(
        'minf',
        isVideo ? fullBox('vmhd', 0, 1, zeros(8)) : fullBox('smhd', 0, 0, zeros(4)),
        box(
          'stbl',
          fullBox('stsd', 0, 0, u32(1), isVideo ? avc1(width, height) : mp4a()),
          fullBox('stts', 0, 0, ...samples),
          fullBox('stsc', 0, 0, u32(0)),
          fullBox('stsz', 0, 0, u32(0), u32(0)),
          fullBox('stco', 0, 0, u32(0)),
        ),
      ),
    ),
  );
}

function avc1(width: number, height: number): Buffer {
  const fixed = [zeros(6), u16(1), zeros(16), u16(width), u16(height), u32(0x480000), u32(0x480000), zeros(4), u16(1)];
  const configuration = box('avcC', Buffer.from([1, 0x42, 0, 0x1e, 0xff, 0xe0, 0]));
  return box('avc1', ...fixed, zeros(32), u16(24), u16(0xffff), configuration);
}

function mp4a(): Buffer {
  return box('mp4a', zeros(6), u16(1), zeros(8), u16(2), u16(16), zeros(4), u32(44100 * 0x10000));
}

function getSampleDuration({ duration = 5000, unfragmented = 0, fragments = 1 }: Mp4Options): number {
  return Math.floor((duration - unfragmented) / (fragments * SAMPLES_PER_FRAGMENT));
}

function buildFragments(options: Mp4Options): Buffer[] {
  const { fragments = 1, sampleDurations = 'trun', mdatBytes = 64, unfragmented = 0 } = options;
  const duration = getSampleDuration(options);
  const runs = Array.from({ length: SAMPLES_PER_FRAGMENT }, () =>
    sampleDurations === 'trun' ? [u32(duration), u32(1)] : [u32(1)],
  ).flat();
  const traf = (index: number) =>
    box(
      'traf',
      sampleDurations === 'tfhd'
        ? fullBox('tfhd', 0, 0x20008, u32(VIDEO_TRACK), u32(duration))
        : fullBox('tfhd', 0, 0x20000, u32(VIDEO_TRACK)),
      fullBox('tfdt', 0, 0, u32(unfragmented + index * SAMPLES_PER_FRAGMENT * duration)),
      fullBox('trun', 0, sampleDurations === 'trun' ? 0x301 : 0x201, u32(SAMPLES_PER_FRAGMENT), u32(0), ...runs),
    );
  return Array.from({ length: fragments }, (_, index) =>
    Buffer.concat([box('moof', fullBox('mfhd', 0, 0, u32(index + 1)), traf(index)), mediaData(mdatBytes)]),
  );
}

function toBytes(length: number, write: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(length);
  write(bytes);
  return bytes;
}
