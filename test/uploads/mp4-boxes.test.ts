import { describe, expect, it } from 'vitest';
import { findBox, readBoxes, readBoxHeader } from '../../src/uploads/mp4-boxes.ts';
import { box, u32, u64, zeros } from './make-mp4.ts';

const list = (body: Buffer, containerBytes?: number) =>
  [...readBoxes(body, containerBytes)].map((child) => [child.type, child.body.length]);

describe('readBoxHeader', () => {
  const long = (size: bigint) => Buffer.concat([u32(1), Buffer.from('mdat'), u64(size)]);

  it('reads sizes of 32 and 64 bits, and a box that extends to the end', () => {
    expect(readBoxHeader(box('free', zeros(5)))).toEqual({ type: 'free', headerBytes: 8, bodyBytes: 5 });
    expect(readBoxHeader(long(21n))).toEqual({ type: 'mdat', headerBytes: 16, bodyBytes: 5 });
    const open = Buffer.concat([u32(0), Buffer.from('mdat')]);
    expect(readBoxHeader(open)).toEqual({ type: 'mdat', headerBytes: 8, bodyBytes: Number.POSITIVE_INFINITY });
    expect(readBoxHeader(Buffer.concat([zeros(3), long(21n)]), 3)).toMatchObject({ type: 'mdat', bodyBytes: 5 });
  });

  it('needs all bytes of a header', () => {
    expect(readBoxHeader(box('free').subarray(0, 7))).toBeUndefined();
    expect(readBoxHeader(Buffer.concat([zeros(3), box('free').subarray(0, 7)]), 3)).toBeUndefined();
    expect(readBoxHeader(long(21n).subarray(0, 15))).toBeUndefined();
    expect(readBoxHeader(Buffer.concat([zeros(3), long(21n).subarray(0, 15)]), 3)).toBeUndefined();
  });

  it('reports a size that is less than that of the header as negative', () => {
    expect(readBoxHeader(Buffer.concat([u32(7), Buffer.from('free')]))).toMatchObject({ bodyBytes: -1 });
    expect(readBoxHeader(long(15n))).toMatchObject({ bodyBytes: -1 });
  });
});

describe('readBoxes', () => {
  const one = box('one ', zeros(4));
  const two = box('two ', zeros(2));

  it('reads children up to the first malformed header', () => {
    expect(list(Buffer.concat([one, two]))).toEqual([
      ['one ', 4],
      ['two ', 2],
    ]);
    const malformed = Buffer.concat([u32(7), Buffer.from('free')]);
    expect(list(Buffer.concat([one, malformed, two]))).toEqual([['one ', 4]]);
    expect(list(Buffer.concat([one, two.subarray(0, 7)]))).toEqual([['one ', 4]]);
  });

  it('ends a child with its container, and leaves out one whose end is missing', () => {
    const body = Buffer.concat([one, box('long', zeros(100)).subarray(0, 20)]);
    expect(list(body)).toEqual([
      ['one ', 4],
      ['long', 12],
    ]);
    expect(list(body, body.length + 1)).toEqual([['one ', 4]]);
  });

  it('reads at most 5000 children', () => {
    expect(list(Buffer.alloc(5001 * 8, box('free')))).toHaveLength(5000);
  });
});

describe('findBox', () => {
  it('finds the first box at a path, which may be empty', () => {
    const body = Buffer.concat([box('a   ', box('x   '), box('b   ', u32(1)), box('b   ', u32(2))), box('c   ')]);
    expect(findBox(body, 'a   ', 'b   ')).toEqual(u32(1));
    expect(findBox(body, 'c   ')).toEqual(zeros(0));
    expect(findBox(body, 'a   ', 'c   ')).toBeUndefined();
    expect(findBox(body, 'b   ')).toBeUndefined();
  });
});
