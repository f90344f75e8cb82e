import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { box, ftyp, fullBox, type Mp4Options, makeMp4, mediaData, movie, movieWith, u32, zeros } from './make-mp4.ts';
import { NOT_MP4, probe, readable, UNREADABLE } from './probe.ts';

describe('Mp4Probe', () => {
  const layouts: [string, Mp4Options][] = [
    ['the movie box first', {}],
    ['the movie box last', { moov: 'last', mdatBytes: 200_000 }],
    ['an audio track', { audio: true }],
    ['64-bit sizes', { mdatSize: '64', moov: 'last' }],
    ['media data up to the end', { mdatSize: 'open' }],
    ['no media data', { mdatBytes: 0 }],
    ['64-bit times', { version: 1 }],
    ['fragments', { fragments: 5 }],
    ['fragments with audio', { fragments: 5, audio: true }],
    ['fragments with a default duration', { fragments: 5, sampleDurations: 'tfhd' }],
    ['fragments with the duration of the movie', { fragments: 5, sampleDurations: 'trex' }],
    ['fragments and a total in the movie header', { fragments: 5, declared: 'mvhd' }],
    ['fragments and a total in the extension header', { fragments: 5, declared: 'mehd' }],
    ['samples before its fragments', { fragments: 4, unfragmented: 1000 }],
  ];

  it.each(layouts)('reads a file with %s, in chunks of any length', async (_, options) => {
    const file = makeMp4(options);
    for (const chunkLength of [1, 7, 16, 1000, file.length]) {
      expect(await probe(file, chunkLength)).toEqual(readable(5000, 640, 360, options.audio));
    }
  });

  it.each([
    [90_000, 15 * 90_000, 15_000],
    [44_100, 441_000, 10_000],
    [30_000, 1001 * 100, 3337],
    [1, 7, 7000],
    [0xffffffff, 0x7fffffff, 500],
    [1000, 1, 1],
  ])('reads a time scale of %i', async (timescale, duration, durationMs) => {
    for (const version of [0, 1] as const) {
      expect(await probe(makeMp4({ timescale, duration, version }))).toEqual(readable(durationMs));
    }
  });

  it('reads the duration of the tracks before that of the movie', async () => {
    const options = { duration: 5003, fragments: 5 };
    expect(await probe(makeMp4({ ...options, declared: 'mvhd' }))).toEqual(readable(5000));
    expect(await probe(makeMp4({ ...options, declared: 'mehd' }))).toEqual(readable(5000));
    const header = (duration: number) => movie({ duration }).subarray(8, 116);
    expect(await probe(movieWith('mvhd', header(9000)))).toEqual(readable(5000));
    expect(await probe(movieWith('mdhd', box('free'), { duration: 4000 }))).toEqual(readable(4000));
  });

  it('reads the size of the video', async () => {
    expect(await probe(makeMp4({ width: 1920, height: 1080, audio: true }))).toEqual(readable(5000, 1920, 1080, true));
  });

  it('reads the size from the track for codecs that mp4box does not know', async () => {
    const stsd = fullBox('stsd', 0, 0, u32(1), box('xyz1', zeros(100)));
    expect(await probe(movieWith('stsd', stsd))).toEqual(readable(5000));
  });

  it('reads a real file', async () => {
    // ffmpeg -f lavfi -i testsrc=s=32x18:r=10:d=1.5 -f lavfi -i sine=d=1.5:r=8000 -c:v libx264 -x264-params no-info=1
    //   -pix_fmt yuv420p -crf 50 -c:a aac -b:a 8k -ac 1 -bitexact tiny.mp4
    const file = readFileSync(new URL('./tiny.mp4', import.meta.url));
    expect(await probe(file)).toEqual(readable(1500, 32, 18, true));
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('this is a text, not a video file')],
    ['zeros', zeros(1000)],
    ['a few bytes', ftyp().subarray(0, 7)],
    ['another kind of file', Buffer.from('\x1aE\xdf\xa3\x01\x00\x00\x00webm', 'latin1')],
    ['a movie without a file type', makeMp4().subarray(ftyp().length)],
    ['an invalid first size', Buffer.concat([u32(3), Buffer.from('abcd'), makeMp4()])],
  ])('rejects %s as not an MP4 file', async (_, file) => {
    expect(await probe(file)).toEqual(NOT_MP4);
    expect(await probe(file, 1)).toEqual(NOT_MP4);
  });

  it.each([
    ['a file type only', ftyp()],
    ['no movie box', Buffer.concat([ftyp(), mediaData(100)])],
    ['no movie header', movieWith('mvhd', box('free'))],
    ['no video', makeMp4({ video: false, audio: true })],
    ['no tracks', makeMp4({ video: false })],
    ['no sample description', movieWith('stsd', box('free'))],
    ['an empty sample description', movieWith('stsd', fullBox('stsd', 0, 0, u32(0)))],
    ['no length', makeMp4({ duration: 0 })],
    ['no length, in 64 bits', makeMp4({ duration: 0, version: 1 })],
    ['an unknown length', makeMp4({ duration: 0xffffffff })],
    ['no time scale', makeMp4({ timescale: 0 })],
    ['no length and no time scale', makeMp4({ timescale: 0, duration: 0 })],
    ['fragments of no length', makeMp4({ duration: 0, fragments: 2 })],
  ])('reports a file with %s as unreadable', async (_, file) => {
    expect(await probe(file)).toEqual(UNREADABLE);
    expect(await probe(file, 3)).toEqual(UNREADABLE);
  });

  it.each(layouts)('reads a file with %s until the end of its video track is cut off', async (_, options) => {
    const file = makeMp4({ ...options, mdatBytes: 40 });
    const endOf = (type: string) => {
      const start = file.indexOf(type) - 4;
      return start + file.readUInt32BE(start);
    };
    for (let length = 0; length <= file.length; length++) {
      const result = await probe(file.subarray(0, length));
      if (result.ok) expect(result.durationMs).toBeLessThanOrEqual(5000);
      if (length < endOf('trak')) expect(result.ok).toBe(false);
      // A fragmented file has no duration, or less of it, before its first fragment.
      else if (!options.fragments) expect(result).toMatchObject({ ok: true, durationMs: 5000 });
    }
  });

  it('reads the first of two movie boxes', async () => {
    const file = Buffer.concat([makeMp4(), movie({ duration: 9000 })]);
    expect(await probe(file)).toEqual(readable(5000));
  });

  it('finds the video after another track', async () => {
    const sound = movie({ video: false, audio: true }).subarray(8 + 108);
    const moov = box('moov', sound, movie().subarray(8));
    expect(await probe(Buffer.concat([ftyp(), moov]))).toEqual(readable(5000, 640, 360, true));
  });

  it('reports no audio when a track after the video is malformed', async () => {
    const broken = box('trak', box('mdia', u32(100), Buffer.from('hdlr')));
    const moov = box('moov', movie().subarray(8), broken);
    expect(await probe(Buffer.concat([ftyp(), moov]))).toEqual(readable(5000));
  });
});
