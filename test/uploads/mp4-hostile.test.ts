import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Mp4Probe } from '../../src/uploads/mp4.ts';
import { box, ftyp, fullBox, makeMp4, mediaData, movie, movieWith, u32, u64, zeros } from './make-mp4.ts';
import { probe, readable, UNREADABLE } from './probe.ts';

const MEBIBYTE = 1024 * 1024;

const many = (count: number, one: Buffer) => Buffer.alloc(count * one.length, one);
const tfhd = (track: number) => fullBox('tfhd', 0, 8, u32(track), u32(1));
const trun = (flags: number, samples: number, ...rest: Buffer[]) => fullBox('trun', 0, flags, u32(samples), ...rest);

/** A file that is valid except for its second fragment. */
const withFragment = (...trafs: Buffer[]) =>
  Buffer.concat([makeMp4({ fragments: 1 }), box('moof', ...trafs.map((traf) => box('traf', traf))), mediaData(8)]);
const withinMovie = (...boxes: Buffer[]) => Buffer.concat([ftyp(), box('moov', ...boxes, movie().subarray(8))]);

const malformed = box('moof', many(4000, box('traf')));

function manyTracks(tracks: number, defaults: number): Buffer {
  const [header, track] = [movie().subarray(8, 116), movie().subarray(116)];
  const mvex = box('mvex', many(defaults, fullBox('trex', 0, 0, u32(7), zeros(16))));
  return Buffer.concat([ftyp(), box('moov', header, mvex, many(tracks, track))]);
}

function nested(depth: number): Buffer {
  let inner = box('trak');
  for (let level = 0; level < depth; level++) inner = box(['trak', 'mdia', 'moov'][level % 3]!, inner);
  return inner;
}

/** Puts a table inside of the video's only sample entry. */
function withinSampleEntry(table: Buffer): Buffer {
  const stsd = movie();
  const at = stsd.indexOf('avc1') - 4;
  return movieWith('stsd', fullBox('stsd', 0, 0, u32(1), box('avc1', stsd.subarray(at + 8, at + 86), table)));
}

describe('Mp4Probe with hostile input', () => {
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

  const tables = ['stsz', 'stts', 'stsc', 'stco', 'ctts', 'stss', 'sbgp'].map((type): [string, Buffer] => [
    type,
    fullBox(type, 0, 0, u32(1), u32(0xffffffff), zeros(64)),
  ]);

  it.each(tables)('does not build a %s table of four billion samples', async (_, table) => {
    expect(await probe(movieWith('stsz', table))).toEqual(readable(5000));
    expect(await probe(withinSampleEntry(table))).toEqual(readable(5000));
  });

  it.each([
    ['a movie box that declares gigabytes', Buffer.concat([ftyp(), u32(0xfffffff0), movie().subarray(4)])],
    ['an endless movie box', Buffer.concat([ftyp(), u32(0), movie().subarray(4), zeros(8 * MEBIBYTE)])],
    ['a box of 2^63 bytes', Buffer.concat([makeMp4(), u32(1), Buffer.from('free'), u64(2n ** 63n), zeros(1000)])],
    [
      'a box of 2^64 - 1 bytes',
      Buffer.concat([makeMp4(), u32(1), Buffer.from('free'), u64(2n ** 64n - 1n), zeros(99)]),
    ],
    ['a megabyte of empty boxes', Buffer.concat([makeMp4(), many(131_072, box('free'))])],
    ['a megabyte of empty fragments', Buffer.concat([makeMp4(), many(131_072, box('moof'))])],
    ['hundreds of tracks and thousands of fragment defaults', manyTracks(256, 4999)],
    ['thousands of tracks', manyTracks(5000, 1)],
  ])('reads the movie of a file with %s', async (_, file) => {
    expect(await probe(file)).toEqual(readable(5000));
  });

  it.each([
    [
      'a run that declares more samples than it has',
      withFragment(Buffer.concat([tfhd(1), trun(0x100, 0xffffffff, many(16, u32(1)))])),
    ],
    ['a run of two samples and bytes for one', withFragment(Buffer.concat([tfhd(1), trun(0x300, 2, many(3, u32(1)))]))],
    ['a run without the declared sizes', withFragment(Buffer.concat([tfhd(1), trun(0x200, 9, u32(1))]))],
    ['no header', withFragment(trun(0, 1))],
    ['a header without a track', withFragment(fullBox('tfhd', 0, 0))],
    ['hundreds of tracks', withFragment(...Array.from({ length: 500 }, (_, id) => tfhd(id)))],
    ['thousands of parts', withFragment(...Array.from({ length: 6000 }, () => tfhd(1)))],
    // An exception for each part would take more than the timeout of a test.
    ['a million malformed parts', Buffer.concat([makeMp4({ fragments: 1 }), ...Array(250).fill(malformed)])],
  ])('stops at a fragment with %s', async (_, file) => {
    expect(await probe(file)).toEqual(readable(5000));
  });

  it('counts what a time table has, not what it declares', async () => {
    const stts = fullBox('stts', 0, 0, u32(0xffffffff), u32(3), u32(1500));
    const file = movieWith('stts', stts, { duration: 9000 });
    expect(await probe(file)).toEqual(readable(4500));
  });

  it.each([
    ['a movie box that is too large', withinMovie(box('free', zeros(8 * MEBIBYTE)))],
    ['boxes in boxes', Buffer.concat([ftyp(), box('moov', nested(3000))])],
    ['a movie box of empty boxes', withinMovie(many(6000, box('free')))],
    ['a movie box of zeros', Buffer.concat([ftyp(), box('moov', zeros(MEBIBYTE))])],
  ])('rejects %s', async (_, file) => {
    expect(await probe(file)).toEqual(UNREADABLE);
  });

  it('holds at most 8 MiB of a movie box', () => {
    const probe = new Mp4Probe();
    probe.write(Buffer.concat([ftyp(), u32(0x7fffffff), Buffer.from('moov')]));
    const chunk = zeros(MEBIBYTE);
    for (let megabytes = 0; megabytes < 30; megabytes++) probe.write(chunk);
    expect(probe.heldBytes).toBe(8 * MEBIBYTE);
  });

  it('does not iterate over samples without bytes', async () => {
    const file = withFragment(Buffer.concat([tfhd(1), trun(0, 4_000_000_000, zeros(8))]));
    expect(await probe(file)).toEqual(readable(4_000_005_000));
  });

  it('returns a result for any corruption of a valid file', async () => {
    const files = [{}, { audio: true }, { moov: 'last', mdatSize: '64' }, { fragments: 3, audio: true }] as const;
    const change = fc.record({
      at: fc.nat(),
      deleted: fc.oneof(fc.constant(4), fc.nat(20)),
      inserted: fc.oneof(
        fc.constantFrom(u32(0xffffffff), u32(0), u32(1), u32(0x7fffffff), Buffer.from('trak'), Buffer.from('mdia')),
        fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files.map(makeMp4)),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 20, max: 2000 }),
        async (file, changes, chunkLength) => {
          let changed = file;
          for (const { at, deleted, inserted } of changes) {
            const from = at % changed.length;
            changed = Buffer.concat([changed.subarray(0, from), inserted, changed.subarray(from + deleted)]);
          }
          const result = await probe(changed, chunkLength);
          if (result.ok) {
            expect(Number.isSafeInteger(result.durationMs) && result.durationMs > 0).toBe(true);
            expect(result.width >= 0 && result.height >= 0).toBe(true);
          } else expect(['not-mp4', 'unreadable']).toContain(result.reason);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
