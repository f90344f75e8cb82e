import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Base64Decoder } from '../../src/uploads/base64.ts';

function decode(text: string, { maxBytes = 1 << 24, chunkLength = text.length || 1 } = {}) {
  const pieces: Buffer[] = [];
  const decoder = new Base64Decoder({ maxBytes, consume: (bytes) => pieces.push(Buffer.from(bytes)) });
  for (let at = 0; at < text.length; at += chunkLength) {
    decoder.write(Buffer.from(text.slice(at, at + chunkLength), 'latin1'));
  }
  const result = decoder.end();
  const bytes = Buffer.concat(pieces);
  if (result.ok) expect(result.decodedBytes).toBe(bytes.length);
  return { result, bytes, mediaType: result.ok ? result.mediaType : undefined };
}

const INVALID = { ok: false, reason: 'invalid' };

describe('Base64Decoder', () => {
  it('decodes any bytes in any chunks, with and without padding, whitespace and a header', () => {
    const options = fc.record({
      header: fc.constantFrom('', 'data:video/mp4;base64,', 'DATA:;BASE64,'),
      padded: fc.boolean(),
      lineLength: fc.constantFrom(0, 1, 3, 76),
      chunkLength: fc.integer({ min: 1, max: 50 }),
    });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), options, (bytes, how) => {
        const { header, padded, lineLength, chunkLength } = how;
        const text = Buffer.from(bytes).toString('base64');
        const trimmed = padded ? text : text.replace(/=+$/, '');
        const lines = lineLength === 0 ? trimmed : trimmed.replace(new RegExp(`(.{${lineLength}})`, 'g'), '$1\r\n');
        expect(decode(header + lines, { chunkLength }).bytes.equals(bytes)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('decodes text larger than a chunk, also with line breaks', () => {
    const bytes = randomBytes(200_001);
    const text = bytes.toString('base64');
    for (const written of [text, `data:video/mp4;base64,${text}`, text.replace(/.{76}/g, '$&\n')]) {
      for (const chunkLength of [written.length, 65_536, 1001]) {
        expect(decode(written, { chunkLength }).bytes.equals(bytes)).toBe(true);
      }
    }
  });

  it.each([
    ['data:video/mp4;base64,AAAA', 'video/mp4'],
    ['DATA:Video/MP4;BASE64,AAAA', 'video/mp4'],
    ['data:video/mp4;codecs="avc1.42E01E";base64,AAAA', 'video/mp4'],
    ['data:video/mp4;codecs=avc1.42E01E,mp4a.40.2;base64,AAAA', 'video/mp4'],
    ['data:image/png; base64,AAAA', 'image/png'],
    ['\n data:video/mp4;base64,AAAA', 'video/mp4'],
    ['data:;base64,AAAA', undefined],
    ['AAAA', undefined],
  ])('reads the media type of %j', (text, mediaType) => {
    for (const chunkLength of [1, 2, 7, text.length]) {
      const decoded = decode(text, { chunkLength });
      expect(decoded.result).toEqual({ ok: true, mediaType, decodedBytes: 3 });
    }
  });

  it.each(['data', 'dat', 'datadata', 'D+a/'])('reads %j as base64, not as a header', (text) => {
    for (const chunkLength of [1, text.length]) {
      expect(decode(text, { chunkLength }).bytes).toEqual(Buffer.from(text, 'base64'));
    }
  });

  it.each([
    ['nothing', ''],
    ['whitespace only', ' \n'],
    ['a header only', 'data:video/mp4;base64,'],
    ['padding only', '='],
    ['a single character', 'A'],
    ['a length of 4n + 1', 'AAAAA'],
    ['too little padding', 'AA='],
    ['too much padding', 'AAA=='],
    ['padding after whole groups', 'AAAA===='],
    ['padding in the middle', 'AA==AAAA'],
    ['text after the padding', 'AAA=A'],
    ['the URL alphabet', 'AA-_'],
    ['other characters', 'AAAA*AAA'],
    ['other characters at the end', 'AAAAA*'],
    ['a vertical tab', 'AA\vAA'],
    ['non-ASCII bytes', 'AA\u00e9A'],
    ['a NUL', 'AAA\u0000AAAA'],
    ['a data URL without base64', 'data:video/mp4,AAAA'],
    ['a data URL with a late ;base64', 'data:video/mp4,AAAA;base64,AAAA'],
    ['a data URL that ends in its header', 'data:video/mp4;base6'],
    ['a header without an end', `data:video/mp4;${'a'.repeat(5000)};base64,AAAA`],
    ['two headers', 'data:video/mp4;base64,data:video/mp4;base64,AAAA'],
    ['a web address', 'https://example.com/a.mp4'],
  ])('rejects %s', (_, text) => {
    for (const chunkLength of [1, 3, text.length || 1]) expect(decode(text, { chunkLength }).result).toEqual(INVALID);
  });

  it('does not buffer an endless header', () => {
    const decoder = new Base64Decoder({ maxBytes: 10, consume: () => {} });
    decoder.write(Buffer.from(`data:video/mp4,${'A'.repeat(2000)}`));
    expect(decoder.invalid).toBe(true);
  });

  it('accepts the same texts as a strict pattern', () => {
    const characters = fc.constantFrom(...'AZaz09+/=-_ \n*', 'AAAA', 'BB', '\u00ff');
    const strict = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
    fc.assert(
      fc.property(
        fc.string({ unit: characters, maxLength: 12 }),
        fc.integer({ min: 1, max: 12 }),
        (text, chunkLength) => {
          const spaceless = text.replace(/[ \n]/g, '');
          expect(decode(text, { chunkLength }).result.ok).toBe(spaceless !== '' && strict.test(spaceless));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('finds a single invalid character in a large text', () => {
    const text = randomBytes(150_000).toString('base64');
    for (const at of [0, 32_767, 32_768, 100_001, text.length - 1]) {
      for (const wrong of ['-', '_', '*', '=', '\u0000', '\u00ff']) {
        const broken = text.slice(0, at) + wrong + text.slice(at + 1);
        const valid = wrong === '=' && at === text.length - 1;
        expect(decode(broken).result.ok).toBe(valid);
      }
    }
  });

  it('stops at the maximum and discards the rest', () => {
    const text = randomBytes(100_000).toString('base64');
    expect(decode(text, { maxBytes: 100_000 }).result).toMatchObject({ ok: true, decodedBytes: 100_000 });
    for (const maxBytes of [0, 50_000, 99_999]) {
      const { result, bytes } = decode(text, { maxBytes, chunkLength: 5000 });
      expect(result).toEqual({ ok: false, reason: 'too-large' });
      expect(bytes.length).toBeLessThanOrEqual(maxBytes);
    }
    expect(decode(`${text}***`, { maxBytes: 10 }).result).toEqual({ ok: false, reason: 'too-large' });
  });
});
