import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Mp4Probe, type Mp4Result } from '../../src/media/mp4.ts';
import {
  box,
  ftyp,
  fullBox,
  type Mp4Options,
  makeMp4,
  mediaData,
  movie,
  u32,
  u64,
  zeros,
} from './make-mp4.ts';

const UNREADABLE = { ok: false, reason: 'unreadable' };
const NOT_MP4 = { ok: false, reason: 'not-mp4' };
const MEBIBYTE = 1024 * 1024;

function probe(file: Buffer, chunkLength = 65_536): Promise<Mp4Result> {
  const mp4 = new Mp4Probe();
  for (let at = 0; at < file.length; at += chunkLength) {
    // A copy that is overwritten afterwards, as the memory of a chunk may be used again.
    const chunk = Buffer.from(file.subarray(at, at + chunkLength));
    mp4.write(chunk);
    chunk.fill(0x55);
  }
  return mp4.end();
}

const readable = (durationMs: number, width = 640, height = 360) => ({ ok: true, durationMs, width, height });

/** A file of an ftyp and a moov box of what a real one holds, but for one box. */
function movieWith(type: string, other: Buffer, options?: Mp4Options): Buffer {
  const moov = movie(options);
  // The sizes of the boxes around it have to follow.
  const inside = (body: Buffer): Buffer => {
    const parts: Buffer[] = [];
    for (let at = 0; at < body.length; at += body.readUInt32BE(at)) {
      const child = body.subarray(at, at + body.readUInt32BE(at));
      const name = child.toString('latin1', 4, 8);
      const holds = ['moov', 'trak', 'mdia', 'minf', 'stbl', 'mvex'].includes(name);
      parts.push(name === type ? other : holds ? box(name, inside(child.subarray(8))) : child);
    }
    return Buffer.concat(parts);
  };
  return Buffer.concat([ftyp(), inside(moov), mediaData(8)]);
}

const withFragment = (...trafs: Buffer[]) =>
  Buffer.concat([
    ftyp(),
    movie({ fragments: 1 }),
    box('moof', fullBox('mfhd', 0, 0, u32(1)), ...trafs.map((traf) => box('traf', traf))),
    mediaData(8),
  ]);
const tfhd = fullBox('tfhd', 0, 8, u32(1), u32(1));

describe('Mp4Probe', () => {
  const output = vi.fn();
  beforeEach(() => {
    for (const method of ['error', 'warn', 'log', 'info', 'debug'] as const) {
      vi.spyOn(console, method).mockImplementation(output);
    }
  });
  afterEach(() => {
    vi.restoreAllMocks();
    expect(output).not.toHaveBeenCalled();
  });

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
    ['fragments and a total in the movie header', { fragments: 5, stated: 'mvhd' }],
    ['fragments and a total in the extension header', { fragments: 5, stated: 'mehd' }],
    ['a beginning before its fragments', { fragments: 4, unfragmented: 1000 }],
  ];

  it.each(layouts)('reads a file with %s, in chunks of any length', async (_, options) => {
    const file = makeMp4(options);
    for (const chunkLength of [1, 7, 16, 1000, file.length]) {
      expect(await probe(file, chunkLength)).toEqual(readable(5000));
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

  it('reads the size of the video', async () => {
    expect(await probe(makeMp4({ width: 1920, height: 1080, audio: true }))).toEqual(
      readable(5000, 1920, 1080),
    );
  });

  it('takes the size from the track for codecs that mp4box does not know', async () => {
    const stsd = fullBox('stsd', 0, 0, u32(1), box('xyz1', zeros(100)));
    expect(await probe(movieWith('stsd', stsd))).toEqual(readable(5000));
  });

  it('reads a real file', async () => {
    // ffmpeg -f lavfi -i testsrc=s=32x18:r=10:d=1.5 -f lavfi -i sine=d=1.5:r=8000 -c:v libx264 -x264-params no-info=1
    //   -pix_fmt yuv420p -crf 50 -c:a aac -b:a 8k -ac 1 -bitexact tiny.mp4
    const file = readFileSync(new URL('tiny.mp4', import.meta.url));
    expect(await probe(file)).toEqual(readable(1500, 32, 18));
    expect(await probe(file.subarray(0, -1))).toEqual(UNREADABLE);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('this is a text that is no video')],
    ['zeros', zeros(1000)],
    ['a few bytes', ftyp().subarray(0, 7)],
    ['another kind of file', Buffer.from('\x1aE\xdf\xa3\x01\x00\x00\x00webm', 'latin1')],
    ['a movie without a file type', makeMp4().subarray(ftyp().length)],
    ['a nonsensical first size', Buffer.concat([u32(3), Buffer.from('abcd'), makeMp4()])],
  ])('does not take %s for an MP4 file', async (_, file) => {
    expect(await probe(file)).toEqual(NOT_MP4);
    expect(await probe(file, 1)).toEqual(NOT_MP4);
  });

  it.each([
    ['a file type only', ftyp()],
    ['no movie box', Buffer.concat([ftyp(), mediaData(100)])],
    ['no movie header', movieWith('mvhd', box('free'))],
    ['a cut movie header', movieWith('mvhd', fullBox('mvhd', 0, 0, zeros(8), u32(1000), u32(5000)))],
    ['no video', makeMp4({ video: false, audio: true })],
    ['no tracks', makeMp4({ video: false })],
    ['no sample description', movieWith('stsd', box('free'))],
    ['an empty sample description', movieWith('stsd', fullBox('stsd', 0, 0, u32(0)))],
    ['a cut sample entry', movieWith('stsd', fullBox('stsd', 0, 0, u32(1), box('avc1', zeros(20))))],
    ['no size', makeMp4({ width: 0, height: 0 })],
    ['no length', makeMp4({ duration: 0 })],
    ['no length, in 64 bits', makeMp4({ duration: 0, version: 1 })],
    ['an unknown length', makeMp4({ duration: 0xffffffff })],
    ['no time scale', makeMp4({ timescale: 0 })],
    ['no length and no time scale', makeMp4({ timescale: 0, duration: 0 })],
    ['fragments of no length', makeMp4({ duration: 0, fragments: 2 })],
    ['an absurd length', movieWith('mvhd', absurdHeader())],
    ['a box of a nonsensical size', Buffer.concat([makeMp4(), u32(5), Buffer.from('free')])],
    ['half a header at the end', Buffer.concat([makeMp4(), u32(8)])],
    [
      'a box that does not fit into the movie',
      movieWith('tkhd', Buffer.concat([u32(0xffff), Buffer.from('tkhd')])),
    ],
    ['a fragment without a header', withFragment(fullBox('trun', 0, 0, u32(1)))],
  ])('cannot read a file with %s', async (_, file) => {
    expect(await probe(file)).toEqual(UNREADABLE);
    expect(await probe(file, 3)).toEqual(UNREADABLE);
  });

  function absurdHeader(): Buffer {
    return fullBox('mvhd', 1, 0, zeros(16), u32(1), u64(2n ** 62n), zeros(80));
  }

  it.each(layouts)('notices wherever a file with %s is cut', async (_, options) => {
    const file = makeMp4({ ...options, mdatBytes: 40 });
    const endOfMovie = file.indexOf('moov') - 4 + file.readUInt32BE(file.indexOf('moov') - 4);
    for (let length = 0; length < file.length; length++) {
      const { ok } = await probe(file.subarray(0, length));
      if (!ok) continue;
      // What follows between two boxes, or in an open one, nothing speaks of.
      expect(length).toBeGreaterThanOrEqual(endOfMovie);
      const next = file.toString('latin1', length + 4, length + 8);
      if (options.mdatSize !== 'open') expect(['mdat', 'moof']).toContain(next);
    }
  });

  describe('with hostile input', () => {
    const trun = (flags: number, samples: number, ...rest: Buffer[]) =>
      fullBox('trun', 0, flags, u32(samples), ...rest);
    const nested = (depth: number) => {
      let inner = box('trak');
      for (let level = 0; level < depth; level++) inner = box(['trak', 'mdia', 'moov'][level % 3]!, inner);
      return inner;
    };
    const many = (count: number, one: Buffer) => Buffer.alloc(count * one.length, one);

    const tables: [string, Buffer][] = ['stsz', 'stts', 'stsc', 'stco', 'ctts', 'stss', 'sbgp'].map(
      (type) => [
        `a ${type} of four billion samples`,
        movieWith('stsz', fullBox(type, 0, 0, u32(1), u32(0xffffffff), zeros(64))),
      ],
    );

    it.each(tables)('does not build %s', async (_, file) => {
      expect(await probe(file)).toEqual(readable(5000));
    });

    it.each([
      [
        'a time table that states more than it has',
        movieWith('stts', fullBox('stts', 0, 0, u32(0xffffffff)), { fragments: 1 }),
      ],
      [
        'a run that states more than it has',
        withFragment(Buffer.concat([tfhd, trun(0x100, 0xffffffff, zeros(64))])),
      ],
      [
        'a run of two samples and bytes for one',
        withFragment(Buffer.concat([tfhd, trun(0x300, 2, zeros(12))])),
      ],
      [
        'a movie box that states gigabytes',
        Buffer.concat([ftyp(), u32(0xfffffff0), Buffer.from('moov'), zeros(1000)]),
      ],
      [
        'a box of 2^63 bytes',
        Buffer.concat([ftyp(), u32(1), Buffer.from('moov'), u64(2n ** 63n), zeros(1000)]),
      ],
      [
        'a box of 2^64 - 1 bytes',
        Buffer.concat([ftyp(), u32(1), Buffer.from('free'), u64(2n ** 64n - 1n), zeros(99)]),
      ],
      [
        'a movie box that is too large',
        Buffer.concat([ftyp(), box('moov', movie().subarray(8), zeros(9 * MEBIBYTE))]),
      ],
      ['an endless movie box', Buffer.concat([ftyp(), zeros(4), Buffer.from('moov'), zeros(9 * MEBIBYTE)])],
      ['a movie box of boxes in boxes', Buffer.concat([ftyp(), box('moov', nested(10_000))])],
      ['a movie box of empty boxes', Buffer.concat([ftyp(), box('moov', many(6000, box('trak')))])],
      ['a movie box of zeros', Buffer.concat([ftyp(), box('moov', zeros(MEBIBYTE))])],
      [
        'fragments of thousands of tracks',
        withFragment(...Array.from({ length: 5000 }, (_, id) => fullBox('tfhd', 0, 0, u32(id)))),
      ],
    ])('refuses %s', async (_, file) => {
      expect(await probe(file)).toEqual(UNREADABLE);
    });

    it('does not walk through samples that have no bytes', async () => {
      const file = withFragment(Buffer.concat([tfhd, trun(0, 4_000_000_000, zeros(8))]));
      expect(await probe(file)).toEqual(readable(4_000_000_000));
    });

    it('passes a megabyte of empty boxes', async () => {
      expect(await probe(Buffer.concat([makeMp4(), many(131_072, box('free'))]))).toEqual(readable(5000));
    });

    it('answers whatever is done to a valid file', async () => {
      const files = [
        ...layouts.map(([, options]) => makeMp4(options)).filter((file) => file.length < 10_000),
      ];
      const change = fc.record({
        at: fc.nat(),
        deleted: fc.oneof(fc.constant(4), fc.nat(20)),
        inserted: fc.oneof(
          fc.constantFrom(
            u32(0xffffffff),
            u32(0),
            u32(1),
            u32(0x7fffffff),
            Buffer.from('trak'),
            Buffer.from('mdia'),
          ),
          fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
        ),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...files),
          fc.array(change, { minLength: 1, maxLength: 4 }),
          fc.integer({ min: 20, max: 2000 }),
          async (file, changes, chunkLength) => {
            let changed = file;
            for (const { at, deleted, inserted } of changes) {
              const from = at % changed.length;
              changed = Buffer.concat([
                changed.subarray(0, from),
                inserted,
                changed.subarray(from + deleted),
              ]);
            }
            const result = await probe(changed, chunkLength);
            if (result.ok) {
              expect(Number.isSafeInteger(result.durationMs) && result.durationMs > 0).toBe(true);
              expect(result.width > 0 && result.height > 0).toBe(true);
            } else expect(['not-mp4', 'unreadable']).toContain(result.reason);
          },
        ),
        { numRuns: 1000 },
      );
    });
  });

  it('reads the first of two movie boxes', async () => {
    const file = Buffer.concat([makeMp4(), movie({ duration: 9000 })]);
    expect(await probe(file)).toEqual(readable(5000));
  });

  it('finds the video behind another track', async () => {
    const sound = movie({ video: false, audio: true }).subarray(8 + 108);
    const moov = box('moov', sound, movie().subarray(8));
    expect(await probe(Buffer.concat([ftyp(), moov]))).toEqual(readable(5000));
  });
});
