import { expect, it } from 'vitest';
import { FragmentDurations, readDefaultDurations } from '../../src/uploads/mp4-fragments.ts';
import { box, fullBox, u32, zeros } from './make-mp4.ts';

const TRACK = 7;
const tfhd = (flags = 0, ...fields: number[]) => fullBox('tfhd', 0, flags, u32(TRACK), ...fields.map(u32));
const trun = (flags: number, samples: number, ...fields: number[]) =>
  fullBox('trun', 0, flags, u32(samples), ...fields.map(u32));

/** Returns the duration of fragments whose track has a default duration of 1000. */
function measure(...trafs: Buffer[][]): number {
  const fragments = new FragmentDurations();
  for (const traf of trafs) {
    const body = Buffer.concat([fullBox('mfhd', 0, 0, u32(1)), box('traf', ...traf)]);
    fragments.add(body, body.length);
  }
  expect(fragments.ticksFor(TRACK + 1, 1000)).toBe(0);
  return fragments.ticksFor(TRACK, 1000);
}

it.each([
  ['the default of the track', [tfhd(), trun(0, 3)], 3000],
  ['the default of the fragment', [tfhd(0x8, 20), trun(0, 3)], 60],
  ['the default after an offset of the data', [tfhd(0x9, 1, 2, 20), trun(0, 3)], 60],
  ['the default after a sample description', [tfhd(0xa, 1, 20), trun(0, 3)], 60],
  ['the default after both', [tfhd(0xb, 1, 2, 3, 20), trun(0, 3)], 60],
  ['sizes of samples only', [tfhd(0x8, 20), trun(0x200, 2, 5, 6)], 40],
  ['durations of samples', [tfhd(0x8, 20), trun(0x100, 3, 1, 2, 4)], 7],
  ['durations after an offset of the data', [tfhd(), trun(0x101, 2, 9, 1, 2)], 3],
  ['durations after the flags of the first sample', [tfhd(), trun(0x104, 2, 9, 1, 2)], 3],
  ['durations after both', [tfhd(), trun(0x105, 2, 9, 9, 1, 2)], 3],
  ['durations and sizes', [tfhd(), trun(0x300, 2, 1, 9, 2, 9)], 3],
  ['durations and flags', [tfhd(), trun(0x500, 2, 1, 9, 2, 9)], 3],
  ['durations and offsets', [tfhd(), trun(0x900, 2, 1, 9, 2, 9)], 3],
  ['durations and all other fields', [tfhd(), trun(0xf00, 2, 1, 9, 9, 9, 2, 9, 9, 9)], 3],
  ['several runs', [tfhd(), trun(0x100, 1, 5), box('free'), trun(0, 1), trun(0x100, 2, 1, 2)], 1008],
])('sums a fragment with %s', (_, traf, ticks) => {
  expect(measure(traf)).toBe(ticks);
  expect(measure(traf, traf)).toBe(2 * ticks);
});

it.each([
  ['no header', [trun(0, 1)], 'a track fragment has no header'],
  ['a run without its last duration', [tfhd(), trun(0x100, 2, 1)], 'a run declares more samples than it has'],
  ['a run without its last size', [tfhd(), trun(0x301, 2, 9, 1, 9, 2)], 'a run declares more samples than it has'],
])('rejects a fragment with %s', (_, traf, message) => {
  expect(() => measure(traf)).toThrow(message);
});

it('reads fragments of up to 256 tracks', () => {
  const fragments = new FragmentDurations();
  const add = (track: number) => {
    const body = box('traf', fullBox('tfhd', 0, 0, u32(track)), trun(0x100, 1, 5));
    fragments.add(body, body.length);
  };
  for (let track = 0; track < 256; track++) add(track);
  add(0);
  expect(() => add(256)).toThrow('too many tracks');
  expect(fragments.ticksFor(0, 0)).toBe(10);
});

it('reads the default durations of tracks from complete boxes', () => {
  const trex = (...fields: number[]) => fullBox('trex', 0, 0, ...fields.map(u32));
  const mvex = Buffer.concat([fullBox('mehd', 0, 0, zeros(20)), trex(1, 1, 40), trex(2, 1), trex(3, 1, 60, 0, 0)]);
  expect([...readDefaultDurations(mvex)]).toEqual([
    [1, 40],
    [3, 60],
  ]);
});
