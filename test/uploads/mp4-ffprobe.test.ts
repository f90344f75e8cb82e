import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deflateSync } from 'node:zlib';
import { path as ffprobe } from '@ffprobe-installer/ffprobe';
import { beforeAll, describe, expect, it } from 'vitest';
import { lastingTempDir } from '../support/temp-dir.ts';
import { box, fullBox, type Mp4Options, makeMp4, replaceBoxes, u16, u32, u64, zeros } from './make-mp4.ts';
import { probe } from './probe.ts';

const run = promisify(execFile);

/** ffprobe adds the delay of reordered frames to videos without an edit list: 72 ms in these files. */
const TOLERANCE_MS = 100;

interface FfprobeOutput {
  streams?: { codec_type: string; codec_tag: string; disposition: { attached_pic: number } }[];
  format?: { duration?: string };
}

/**
 * Returns the duration of a file according to ffprobe; undefined if the file is not playable. A file is playable if it
 * has a duration and a video stream that has a codec tag, even of an unknown codec, and is not a cover picture.
 */
function judge(file: Buffer): number | undefined {
  const { streams = [], format }: FfprobeOutput = JSON.parse(
    readFileSync(join(dir, `${FILES.indexOf(file)}.mp4.json`), 'utf8'),
  );
  const isVideo = (stream: (typeof streams)[number]) =>
    stream.codec_type === 'video' && Number(stream.codec_tag) !== 0 && stream.disposition.attached_pic === 0;
  const durationMs = Number(format?.duration ?? 0) * 1000;
  return streams.some(isVideo) && durationMs > 0 ? durationMs : undefined;
}
const dir = lastingTempDir();

/** A video of 1.5 s with H.264 and AAC, in the order of ffmpeg: media data first, then the movie box. */
const REAL = readFileSync(new URL('./tiny.mp4', import.meta.url));
const FTYP = REAL.subarray(0, 32);
const MDAT = REAL.subarray(40, 2840);
const MOOV = REAL.subarray(2840);
const FAST_START = Buffer.concat([FTYP, MOOV, MDAT]);
const FRAGMENTED = makeMp4({ fragments: 5 });

const text = (characters: string): Buffer => Buffer.from(characters, 'latin1');
const append = (...parts: Buffer[]) => Buffer.concat([REAL, ...parts]);
const prepend = (...parts: Buffer[]) => Buffer.concat([...parts, REAL]);
const UNKNOWN = u32(0xffffffff);
const ID3V1 = text(`TAG${' '.repeat(125)}`);
const ID3V2 = Buffer.concat([text('ID3\x04\0\0'), u32(20), zeros(20)]);

const VIDEO = 0;
const AUDIO = 1;

/** Changes all boxes of a type, or the one with an index. */
const change = (type: string, edit: (original: Buffer) => Buffer, file: Buffer = REAL, onlyIndex?: number) =>
  replaceBoxes(file, type, (original, index) =>
    onlyIndex === undefined || onlyIndex === index ? edit(original) : original,
  );
const overwrite = (type: string, offset: number, bytes: Buffer, file?: Buffer, onlyIndex?: number) => {
  const edit = (original: Buffer) =>
    Buffer.concat([original.subarray(0, offset), bytes, original.subarray(offset + bytes.length)]);
  return change(type, edit, file, onlyIndex);
};
const resize = (type: string, bytes: number, file?: Buffer, onlyIndex?: number) =>
  change(type, (original) => Buffer.concat([u32(original.length + bytes), original.subarray(4)]), file, onlyIndex);
const replace = (type: string, other: Buffer, file?: Buffer, onlyIndex?: number) =>
  change(type, () => other, file, onlyIndex);
const remove = (type: string, file?: Buffer) => replace(type, box('free'), file);
const cut = (type: string, bytes: number) => change(type, (original) => box(type, original.subarray(8, bytes)));

const withLongSize = (original: Buffer) =>
  Buffer.concat([u32(1), original.subarray(4, 8), u64(original.length + 8), original.subarray(8)]);
const withOpenSize = (original: Buffer) => Buffer.concat([u32(0), original.subarray(4)]);
/** Converts `mvhd`, `tkhd` or `mdhd` to version 1, which has 64-bit times. */
const withLongTimes = (type: string, middleBytes: number, file: Buffer = REAL) =>
  replaceBoxes(file, type, (original) =>
    fullBox(
      type,
      1,
      original.readUIntBE(9, 3),
      zeros(16),
      original.subarray(20, 20 + middleBytes),
      u64(original.readUInt32BE(20 + middleBytes)),
      original.subarray(24 + middleBytes),
    ),
  );
/** Sets fields of the headers of the movie and its tracks: the time scale or the duration. */
const setInHeaders = (types: string[], offset: number, value: Buffer, file: Buffer = REAL) =>
  types.reduce((changed, type) => overwrite(type, offset, value, changed), file);
const TIMESCALE = 20;
const DURATION = 24;
const MVHD = ['mvhd'];
const MVHD_AND_MDHD = ['mvhd', 'mdhd'];
const emptyTable = (type: string, file?: Buffer, onlyIndex?: number) =>
  replace(type, fullBox(type, 0, 0, u32(0)), file, onlyIndex);

const edits = (...list: [durationMs: number, mediaTime: number][]) =>
  replace(
    'elst',
    fullBox('elst', 0, 0, u32(list.length), ...list.flatMap(([ms, time]) => [u32(ms), u32(time), u32(0x10000)])),
  );
const trackOf = (index: number) => {
  let found: Buffer = REAL;
  replaceBoxes(REAL, 'trak', (track, at) => {
    if (at === index) found = track;
    return track;
  });
  return found;
};
const onlyTracks = (...tracks: Buffer[]) =>
  Buffer.concat([FTYP, MDAT, box('moov', MOOV.subarray(8, 116), ...tracks, MOOV.subarray(-61))]);
const fragmented = (options: Mp4Options) => makeMp4({ fragments: 5, ...options });
/** The time scale of Smooth Streaming. */
const IN_100_NS = { timescale: 10_000_000, duration: 50_000_000 };

/** Cuts the file behind these many bytes of its last box of a type. */
const truncateIn = (type: string, bytes: number, file: Buffer) => file.subarray(0, file.lastIndexOf(type) - 4 + bytes);

function withSegmentIndex(): Buffer {
  const start = FRAGMENTED.indexOf('moof') - 4;
  const segment = Buffer.concat([u32((FRAGMENTED.length - start) / 5), u32(1000), u32(0x90000000)]);
  const sidx = fullBox('sidx', 0, 0, u32(1), u32(1000), zeros(10), u16(5), ...Array(5).fill(segment));
  return Buffer.concat([FRAGMENTED.subarray(0, start), sidx, FRAGMENTED.subarray(start)]);
}

/** Audio with a cover picture, as music players store it. */
function coverPicture(): Buffer {
  const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  const data = box('data', u32(14), u32(0), Buffer.from(png, 'base64'));
  const handler = fullBox('hdlr', 0, 0, zeros(4), text('mdirappl'), zeros(9));
  const udta = box('udta', fullBox('meta', 0, 0, handler, box('ilst', box('covr', data))));
  return Buffer.concat([FTYP, MDAT, box('moov', MOOV.subarray(8, 116), trackOf(AUDIO), udta)]);
}

/** Audio with pictures for its chapters, as podcasts have. */
function chapterPictures(): Buffer {
  const audio = trackOf(AUDIO).subarray(8);
  return onlyTracks(box('trak', audio, box('tref', box('chap', u32(1)))), trackOf(VIDEO));
}

function fragmentsFirst(): Buffer {
  const [movie, fragments] = [FRAGMENTED.indexOf('moov') - 4, FRAGMENTED.indexOf('moof') - 4];
  return Buffer.concat([
    FRAGMENTED.subarray(0, movie),
    FRAGMENTED.subarray(fragments),
    FRAGMENTED.subarray(movie, fragments),
  ]);
}

const ENDLESS_EDIT = fullBox('elst', 1, 0, u32(1), u64(2n ** 62n), u64(0), u32(0x10000));

const PLAYABLE: [name: string, file: Buffer][] = [
  ['nothing unusual', REAL],
  ['the movie box first', FAST_START],
  ['no real samples', makeMp4()],
  ['a duration of 1 ms', makeMp4({ duration: 1 })],
  ['a duration below 1 ms', makeMp4({ duration: 1, timescale: 90_000 })],

  // Trailing data.
  ['a line feed at the end', append(text('\n'))],
  ['text at the end', append(text('\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n'))],
  ['HTML at the end', append(text('<html><body>'.repeat(40)))],
  ['three zeros at the end', append(zeros(3))],
  ['a thousand zeros at the end', append(zeros(1000))],
  ['a thousand 0xff at the end', append(Buffer.alloc(1000, 0xff))],
  ['an ID3v1 tag at the end', append(ID3V1)],
  ['an ID3v2 tag at the end', append(ID3V2)],
  ['half a header at the end', append(u32(8))],
  ['part of a box at the end', append(u32(500), text('free'), zeros(20))],
  ['a box of an invalid size at the end', append(u32(5), text('free'))],
  ['a box of 2^63 bytes at the end', append(u32(1), text('free'), u64(2n ** 63n), zeros(1000))],
  ['a box of 2^64 - 1 bytes at the end', append(u32(1), text('free'), u64(2n ** 64n - 1n), zeros(1000))],
  ['another file at the end', append(REAL)],
  ['a second movie box', append(setInHeaders(MVHD, DURATION, u32(9000), MOOV))],
  ['a megabyte of empty boxes at the end', append(Buffer.alloc(1_048_576, box('free')))],
  ['a line feed after fragments', Buffer.concat([FRAGMENTED, text('\n')])],

  // Boxes before the file type.
  ...['free', 'skip', 'wide', 'uuid', 'pdin', 'styp', 'abcd'].map((type): [string, Buffer] => [
    `a ${type} box before the file type`,
    prepend(box(type, zeros(24))),
  ]),
  ['an empty free box before the file type', prepend(box('free'))],
  ['the file type last', Buffer.concat([MOOV, MDAT, FTYP])],
  ['two file types', prepend(FTYP)],
  ['the file type of QuickTime', overwrite('ftyp', 8, text('qt  \0\0\0\0qt  qt  qt  qt  '))],

  // Sizes that are too large, too small or written differently.
  ['user data that is 100 bytes too long', resize('udta', 100)],
  ['user data that is 100 bytes too long, in front of the media data', resize('udta', 100, FAST_START)],
  ['user data of size 0', overwrite('udta', 0, u32(0))],
  ['user data of an invalid size', overwrite('udta', 0, u32(3))],
  ['an audio track that is 100 bytes too long', resize('trak', 100, REAL, AUDIO)],
  ['an audio track of size 0', overwrite('trak', 0, u32(0), REAL, AUDIO)],
  ['a video track of size 0', overwrite('trak', 0, u32(0), REAL, VIDEO)],
  ['media boxes that are 100 bytes too long', resize('mdia', 100)],
  ['sample tables that are 100 bytes too long', resize('stbl', 100)],
  ['chunk offsets that are 100 bytes too long', resize('stco', 100)],
  ['a movie box that is 100 bytes too long', resize('moov', 100)],
  ['a movie box that is 100 bytes too long, in front of the media data', resize('moov', 100, FAST_START)],
  ['a movie box that is 100 bytes too short', resize('moov', -100)],
  ['a movie box that declares gigabytes', resize('moov', 0xf0000000)],
  ['media data that is longer than the file', resize('mdat', 10_000, FAST_START)],
  ['a movie box with a 64-bit size', replaceBoxes(REAL, 'moov', withLongSize)],
  ['a movie header with a 64-bit size', replaceBoxes(REAL, 'mvhd', withLongSize)],
  ['tracks with a 64-bit size', replaceBoxes(REAL, 'trak', withLongSize)],
  ['media data with a 64-bit size', replaceBoxes(FAST_START, 'mdat', withLongSize)],
  ['media data of 2^62 bytes', Buffer.concat([FTYP, MOOV, u32(1), text('mdat'), u64(2n ** 62n), MDAT.subarray(8)])],
  ['media data of 3 bytes in 64 bits', Buffer.concat([FTYP, MOOV, u32(1), text('mdat'), u64(3), MDAT.subarray(8)])],
  ['media data up to the end', replaceBoxes(FAST_START, 'mdat', withOpenSize)],
  ['a movie box up to the end', replaceBoxes(REAL, 'moov', withOpenSize)],
  ['four zeros at the end of user data', replaceBoxes(REAL, 'udta', (b) => box('udta', b.subarray(8), zeros(4)))],
  ['user data of 9 MB', replaceBoxes(REAL, 'udta', (b) => box('udta', b.subarray(8), zeros(9_000_000)))],
  ['fragments with parts that are too long', resize('traf', 100, resize('trun', 100, FRAGMENTED))],

  // Truncated files.
  ['truncated media data', FAST_START.subarray(0, -1000)],
  ['no media data', Buffer.concat([FTYP, MOOV])],
  ['truncated user data', REAL.subarray(0, -1)],
  ['a truncated audio track', truncateIn('trak', 38, REAL)],
  ['a truncated fragment', truncateIn('moof', 50, FRAGMENTED)],
  ['truncated media data of a fragment', FRAGMENTED.subarray(0, -10)],

  // Durations.
  ['no duration in the movie header', setInHeaders(MVHD, DURATION, u32(0))],
  ['an unknown duration in the movie header', setInHeaders(MVHD, DURATION, UNKNOWN)],
  ['49 days in the movie header', setInHeaders(MVHD, DURATION, u32(0xfffffffe))],
  ['1 ms in the movie header', setInHeaders(MVHD, DURATION, u32(1))],
  ['no time scale in the movie header', setInHeaders(MVHD, TIMESCALE, u32(0))],
  ['neither in the movie header', setInHeaders(MVHD, TIMESCALE, zeros(8))],
  ['a movie header without a duration field', cut('mvhd', 24)],
  ['a movie header that ends after the duration', cut('mvhd', 28)],
  ['64-bit times in the movie header', withLongTimes('mvhd', 4)],
  ['an unknown 64-bit duration', overwrite('mvhd', 32, u64(2n ** 64n - 1n), withLongTimes('mvhd', 4))],
  ['a 64-bit duration of 2^62', overwrite('mvhd', 32, u64(2n ** 62n), withLongTimes('mvhd', 4))],
  ['64-bit times in the media headers', withLongTimes('mdhd', 4)],
  ['64-bit times in the track headers', withLongTimes('tkhd', 8)],
  ['2^62 in a media header', overwrite('mdhd', 32, u64(2n ** 62n), withLongTimes('mdhd', 4))],
  ['more in a media header than in its samples', overwrite('mdhd', DURATION, u32(24_000), REAL, AUDIO)],
  [
    'the duration of the audio only',
    emptyTable('stts', setInHeaders(MVHD, DURATION, u32(0), overwrite('mdhd', DURATION, u32(0), REAL, VIDEO)), VIDEO),
  ],
  ['an unknown version of the movie header', overwrite('mvhd', 8, Buffer.from([2]))],
  ['an unknown version of the track headers', overwrite('tkhd', 8, Buffer.from([2]))],
  ['two movie headers', replaceBoxes(REAL, 'mvhd', (b) => Buffer.concat([b, b]))],

  // Edit lists.
  ['an edit list that plays the first half', edits([750, 0])],
  ['an edit list that plays the first half, and no duration', setInHeaders(MVHD, DURATION, u32(0), edits([750, 0]))],
  ['an edit list of two parts', edits([500, 0], [500, 10_000])],
  ['an edit list that is longer than the track', edits([15_000, 0])],
  ['an edit list that begins with 1 s of nothing', edits([1000, 0xffffffff], [1500, 0])],
  ['an empty edit list', edits()],
  ['an edit list that declares four billion edits', overwrite('elst', 12, UNKNOWN)],

  // Tracks.
  ['the audio first', onlyTracks(trackOf(AUDIO), trackOf(VIDEO))],
  ['no audio', onlyTracks(trackOf(VIDEO))],
  ['two video tracks', onlyTracks(trackOf(VIDEO), trackOf(AUDIO), trackOf(VIDEO))],
  ['tracks with the same id', overwrite('tkhd', 20, u32(1))],
  ['a disabled video track', overwrite('tkhd', 8, u32(0), REAL, VIDEO)],
  ['a video of JPEG pictures', overwrite('stsd', 20, text('jpeg'), REAL, VIDEO)],
  ['an encrypted video', overwrite('stsd', 20, text('encv'), REAL, VIDEO)],
  ['an unknown video codec', overwrite('stsd', 20, text('xyz1'), REAL, VIDEO)],
  [
    'two sample entries',
    replaceBoxes(REAL, 'stsd', (b) => fullBox('stsd', 0, 0, u32(2), b.subarray(16), b.subarray(16))),
  ],
  ['a size only in the data of the codec', overwrite('tkhd', 84, zeros(8), overwrite('stsd', 48, zeros(4)), VIDEO)],
  ['no size of the video', makeMp4({ width: 0, height: 0 })],
  ['no track headers', remove('tkhd')],
  ['track headers that end after the id', cut('tkhd', 24)],
  ['no handlers', remove('hdlr')],
  ['the handler of a picture', overwrite('hdlr', 16, text('pict'), REAL, VIDEO)],
  ['handlers that end after the type', cut('hdlr', 20)],

  // Fragments.
  ['fragments', FRAGMENTED],
  ['fragments with a default duration', fragmented({ sampleDurations: 'tfhd' })],
  ['fragments with the default duration of the movie', fragmented({ sampleDurations: 'trex' })],
  ['fragments and a duration in the movie header', fragmented({ declared: 'mvhd' })],
  ['fragments and a duration in the extension header', fragmented({ declared: 'mehd' })],
  ['fragments and 9 s in the movie header', setInHeaders(MVHD, DURATION, u32(9000), FRAGMENTED)],
  ['fragments and 9 s in the media header', setInHeaders(['mdhd'], DURATION, u32(9000), FRAGMENTED)],
  ['fragments and 3 s in the media header', setInHeaders(['mdhd'], DURATION, u32(3000), FRAGMENTED)],
  [
    'fragments and an unknown 64-bit duration in the media header',
    overwrite('mdhd', 32, u64(2n ** 64n - 1n), withLongTimes('mdhd', 4, fragmented(IN_100_NS))),
  ],
  [
    'fragments and an extension header of 9 s',
    replace('mehd', fullBox('mehd', 0, 0, u32(9000)), fragmented({ declared: 'mehd' })),
  ],
  ['samples before its fragments', fragmented({ unfragmented: 1000 })],
  ['an index of its fragments', withSegmentIndex()],
];

const UNPLAYABLE: [name: string, file: Buffer][] = [
  ['nothing', zeros(0)],
  ['text', text('this is a text, not a video file')],
  ['zeros', zeros(1000)],
  ['the header of WebM', text('\x1aE\xdf\xa3\x01\0\0\0webm')],
  ['a JPEG header', Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), zeros(100)])],
  ['a line feed at the beginning', prepend(text('\n'))],
  ['a byte order mark at the beginning', prepend(text('\xef\xbb\xbf'))],
  ['eight zeros at the beginning', prepend(zeros(8))],
  ['a file type only', FTYP],
  ['no movie box', Buffer.concat([FTYP, MDAT])],
  ['an empty movie box', Buffer.concat([FTYP, MDAT, box('moov')])],
  ['an empty movie box before the real one', Buffer.concat([FTYP, MDAT, box('moov'), MOOV])],
  ['a movie box in free space', Buffer.concat([FTYP, MDAT, box('free', MOOV)])],
  ['a movie box of zeros', Buffer.concat([FTYP, MDAT, box('moov', zeros(10_000))])],
  ['a line feed before the movie box', Buffer.concat([FTYP, MDAT, text('\n'), MOOV])],
  ['zeros before the movie box', Buffer.concat([FTYP, MDAT, zeros(16), MOOV])],
  ['media data up to the end before the movie box', Buffer.concat([FTYP, withOpenSize(MDAT), MOOV])],
  ['media data over the movie box', Buffer.concat([FTYP, resize('mdat', 100, MDAT), MOOV])],
  ['no movie header', remove('mvhd')],
  ['a movie header over the video track', resize('mvhd', 100)],
  ['no tracks', onlyTracks()],
  ['no video track', onlyTracks(trackOf(AUDIO))],
  ['no video track, but a cover picture', coverPicture()],
  ['tracks without media', remove('mdia')],
  ['tracks without media information', remove('minf')],
  ['tracks without sample tables', remove('stbl')],
  ['no sample descriptions', remove('stsd')],
  ['empty sample descriptions', emptyTable('stsd')],
  ['no duration at all', makeMp4({ duration: 0 })],
  ['an unknown duration', emptyTable('stts', setInHeaders(MVHD_AND_MDHD, DURATION, UNKNOWN, emptyTable('elst')))],
  ['a truncated video track', truncateIn('stco', 20, onlyTracks(trackOf(VIDEO)))],
  ['a movie box that is truncated before its tracks', FAST_START.subarray(0, 200)],
  ['fragments of no duration', fragmented({ duration: 0 })],
  ['fragments without movie extensions', remove('mvex', FRAGMENTED)],
  ['fragments without headers', remove('tfhd', FRAGMENTED)],
  ['fragments that declare more samples than they have', overwrite('trun', 12, u32(0xffff), FRAGMENTED)],
  ['an extension header, but no fragments', truncateIn('moof', 0, makeMp4({ fragments: 1, declared: 'mehd' }))],
];

/** Files about which Mp4Probe deliberately disagrees with ffprobe: its duration, or undefined for a rejected file. */
const DIFFERENT: [name: string, reason: string, durationMs: number | undefined, file: Buffer][] = [
  ['no file type', 'the vendor only supports MP4; this is a QuickTime file', undefined, Buffer.concat([MDAT, MOOV])],
  ['an ID3v2 tag at the beginning', 'the file does not begin with a box', undefined, prepend(ID3V2)],
  [
    'a compressed movie box',
    'only QuickTime files of the 1990s have one',
    undefined,
    Buffer.concat([
      FTYP,
      MDAT,
      box('moov', box('cmov', box('dcom', text('zlib')), box('cmvd', u32(MOOV.length), deflateSync(MOOV)))),
    ]),
  ],
  [
    'a movie box in user data',
    'a movie box is only valid at the top level',
    undefined,
    Buffer.concat([FTYP, MDAT, box('udta', MOOV)]),
  ],
  [
    '6000 boxes before the movie header',
    'the number of boxes is limited',
    undefined,
    replaceBoxes(REAL, 'mvhd', (header) => Buffer.concat([Buffer.alloc(48_000, box('free')), header])),
  ],
  [
    '9 MB before the movie header',
    'the size of a movie box is limited',
    undefined,
    replaceBoxes(REAL, 'mvhd', (header) => Buffer.concat([box('free', zeros(9_000_000)), header])),
  ],
  ['no time scale at all', 'ffprobe assumes a time scale of 1', undefined, makeMp4({ timescale: 0 })],
  ['no time scale of its tracks', 'the edit lists have a duration', 1500, setInHeaders(['mdhd'], TIMESCALE, u32(0))],
  ['an empty file type', 'brands are not checked', 1500, Buffer.concat([box('ftyp'), MDAT, MOOV])],
  ['a video track over the audio', 'the video is complete', 1500, resize('trak', 100, REAL, VIDEO)],
  ['an audio track cut in its tables', 'the video is complete', 1500, REAL.subarray(0, -400)],
  ['the movie header last', 'the order of boxes is free', 1500, replace('udta', MOOV.subarray(8, 116), remove('mvhd'))],
  ['an unknown version of media headers', 'it is read as version 0', 1500, overwrite('mdhd', 8, Buffer.from([2]))],
  ['no media headers', 'the edit lists have a duration', 1500, remove('mdhd')],
  ['no headers with a duration', 'the samples have one', 1500, setInHeaders(MVHD_AND_MDHD, DURATION, u32(0))],
  ['an edit list of 2^62', 'the tracks have a duration', 1628, replace('elst', ENDLESS_EDIT)],
  ['an edit list of no duration', 'the tracks have one', 1628, edits([0, 2048])],
  ['a sample entry of 24 bytes', 'the track has the size', 1500, cut('stsd', 40)],
  ['four billion sample entries', 'only the first one is read', 1500, overwrite('stsd', 12, UNKNOWN, REAL, VIDEO)],
  ['four billion sample durations', 'those that exist are read', 1500, overwrite('stts', 12, UNKNOWN, REAL, VIDEO)],
  ['no chunk offsets', 'the samples are not read', 1500, remove('stco')],
  ['pictures of audio chapters', 'they count as video', 1500, chapterPictures()],
  ['fragments before the movie box', 'the order of boxes is free', 5000, fragmentsFirst()],
  ['a damaged fragment', 'the fragments before it are read', 2000, overwrite('trun', 12, u32(99), FRAGMENTED, 2)],
  [
    'fragments that begin at 100 s',
    'only the time of samples is counted',
    5000,
    replaceBoxes(FRAGMENTED, 'tfdt', (_, index) => fullBox('tfdt', 0, 0, u32(100_000 + 1000 * index))),
  ],
];

const FILES = [PLAYABLE, UNPLAYABLE, DIFFERENT].flatMap((cases) => cases.map((one) => one.at(-1) as Buffer));

describe('Mp4Probe, judged by ffprobe', () => {
  beforeAll(async () => {
    for (const [index, file] of FILES.entries()) writeFileSync(join(dir, `${index}.mp4`), file);
    // A shell starts ffprobe much faster than this large process does.
    const command = '"$0" -v quiet -show_streams -show_format -of json $file > $file.json';
    await run('sh', ['-c', `for file in *.mp4; do ${command}; done; exit 0`, ffprobe], { cwd: dir });
  });

  it.each(PLAYABLE)('reads the duration of a playable file with %s', async (_name, file) => {
    const durationMs = judge(file);
    const result = await probe(file);
    expect(durationMs).toBeDefined();
    expect(result.ok).toBe(true);
    if (result.ok) expect(Math.abs(result.durationMs - durationMs!)).toBeLessThanOrEqual(TOLERANCE_MS);
  });

  it.each(UNPLAYABLE)('rejects an unplayable file with %s', async (_name, file) => {
    expect(judge(file)).toBeUndefined();
    expect((await probe(file)).ok).toBe(false);
  });

  it.each(DIFFERENT)('differs for a file with %s: %s', async (_name, _reason, durationMs, file) => {
    const judged = judge(file);
    const result = await probe(file);
    expect(result.ok ? result.durationMs : undefined).toBe(durationMs);
    // Otherwise the file belongs to one of the lists above.
    if (judged !== undefined && result.ok) expect(Math.abs(result.durationMs - judged)).toBeGreaterThan(TOLERANCE_MS);
    else expect(judged !== undefined).not.toBe(result.ok);
  });
});
