import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamingFieldExtractor } from '../../src/uploads/streaming-json-parser.ts';

const FIELD = 'videoFile';

class CollectingSink {
  readonly pieces: Buffer[] = [];
  heldBytes = 0;
  write(bytes: Buffer): void {
    this.pieces.push(Buffer.from(bytes));
  }
  text(): string {
    return Buffer.concat(this.pieces).toString('utf8');
  }
}

function splitAt(document: Buffer, boundaries: number[]): Buffer[] {
  const sorted = boundaries.map((boundary) => boundary % (document.length + 1)).sort((a, b) => a - b);
  return [0, ...sorted].map((from, index) => document.subarray(from, sorted[index] ?? document.length));
}

function extract(document: string | Buffer, boundaries: number[] = [], keepLimitBytes = 1 << 20) {
  const extractor = new StreamingFieldExtractor({ field: FIELD, keepLimitBytes, sink: () => new CollectingSink() });
  for (const chunk of splitAt(Buffer.from(document), boundaries)) {
    // Overwritten after the call, because the memory of a chunk may be reused.
    const copy = Buffer.from(chunk);
    extractor.write(copy);
    copy.fill('?');
  }
  const kept = extractor.end().toString('utf8');
  return { kept, text: extractor.sink?.text(), overflowed: extractor.overflowed };
}

/** The parsed document with the extracted string put back. A string must be extracted. */
function parseRejoined(document: string | Buffer, boundaries?: number[]): unknown {
  const { kept, text } = extract(document, boundaries);
  const parsed = JSON.parse(kept);
  if (text === undefined) {
    expect(typeof parsed?.[FIELD]).not.toBe('string');
    return parsed;
  }
  expect(parsed[FIELD]).toBe('');
  return { ...parsed, [FIELD]: text };
}

const escapeAll = (text: string) =>
  Array.from(text, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');

const allOffsets = (document: string) => Array.from({ length: Buffer.byteLength(document) }, (_, at) => at);

const isValid = (text: string) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('StreamingFieldExtractor', () => {
  it('sends the string to the sink and buffers the rest', () => {
    const document = '{"locale":"en","videoFile":"AAAA/+8=","videoFileName":"a.mp4"}';
    expect(extract(document)).toEqual({
      kept: '{"locale":"en","videoFile":"","videoFileName":"a.mp4"}',
      text: 'AAAA/+8=',
      overflowed: false,
    });
  });

  it.each([
    ['escaped slashes', '{"videoFile":"a\\/b\\/\\/c"}', 'a/b//c'],
    ['all short escapes', '{"videoFile":"\\"\\\\\\/\\b\\f\\n\\r\\t"}', '"\\/\b\f\n\r\t'],
    ['\\u escapes', '{"videoFile":"\\u0041\\u00e9\\u20AC"}', 'Aé€'],
    ['surrogate pairs', '{"videoFile":"x\\ud83d\\uDE00\\ud83dy"}', 'x😀\ufffdy'],
    ['raw characters of several bytes', '{"videoFile":"éก€😀"}', 'éก€😀'],
    ['a backslash before what looks like a surrogate', '{"videoFile":"\\\\ud83d\\n"}', '\\ud83d\n'],
    ['a backslash before the closing quote', '{"videoFile":"\\\\","a":"\\\\\\""}', '\\'],
    ['an escaped name', '{"video\\u0046il\\u0065":"AAAA"}', 'AAAA'],
    ['a name of escapes only', `{"${escapeAll(FIELD)}":"AAAA"}`, 'AAAA'],
    ['a field after nested values', '{"a":{"b":[{}]},"c":[[]],"videoFile":"AAAA"}', 'AAAA'],
    ['whitespace around the colon', '{ "videoFile"\n: \t"AAAA" }', 'AAAA'],
    ['an empty string', '{"videoFile":""}', ''],
    ['a byte order mark', '\ufeff{"videoFile":"AAAA"}', 'AAAA'],
  ])('resolves %s with any chunk boundaries', (_, document, text) => {
    expect(extract(document).text).toBe(text);
    expect(extract(document, allOffsets(document)).text).toBe(text);
    for (const boundary of allOffsets(document)) expect(extract(document, [boundary]).text).toBe(text);
  });

  it.each([
    '{"a":{"videoFile":"x"}}',
    '{"a":[{"videoFile":"x"},"videoFile","x"]}',
    '["videoFile","x",{"videoFile":"x"}]',
    '[["videoFile","x"],{"videoFile":"x"},"videoFile"]',
    '{"a":"\\"videoFile\\":\\"x\\""}',
    '{"a":"videoFile","b":"x"}',
    '{"videofile":"x","videoFile2":"x"," videoFile":"x"}',
    '{"videoFile":null}',
    '{"videoFile":12.5e3}',
    '{"videoFile":{"videoFile":"x"},"a":"x"}',
    '{"videoFile":["x"]}',
    '"videoFile"',
    '{}',
  ])('does not change %s', (document) => {
    expect(extract(document, allOffsets(document))).toEqual({
      kept: document,
      text: undefined,
      overflowed: false,
    });
  });

  it('extracts the last of several values', () => {
    const twice = '{"videoFile":"fir\\/st\\/","videoFile":"last"}';
    for (const boundary of allOffsets(twice)) expect(extract(twice, [boundary]).text).toBe('last');
    expect(extract('{"videoFile":1,"videoFile":"last"}').text).toBe('last');
    expect(extract('{"videoFile":"first","videoFile":null}').text).toBeUndefined();
    expect(extract('{"videoFile":"first","videoFile":{}}').text).toBeUndefined();
  });

  it.each([
    '{"videoFile":"a\nb"}',
    '{"videoFile":"a\u0000"}',
    '{"videoFile":"\\x41"}',
    '{"videoFile":"\\u00g1"}',
    '{"videoFile":"\\u12"}',
    '{"videoFile":"\\',
    '{"videoFile":"abc',
    '{"videoFile":"abc"',
    '{"videoFile":"abc",}',
    '{"videoFile" "abc"}',
    '{"videoFile"::"abc"}',
    '{"videoFile":"abc""def"}',
    '{"videoFile":"abc"}{"videoFile":"abc"}',
    '{"videoFile":1"abc"}',
    '{"video\\File":"abc"}',
    '',
  ])('keeps %j invalid', (document) => {
    expect(isValid(document)).toBe(false);
    expect(isValid(extract(document).kept)).toBe(false);
    expect(isValid(extract(document, allOffsets(document)).kept)).toBe(false);
  });

  // id: repeated-field-bounded
  it('makes a document invalid that has more than 100 values', () => {
    const repeat = (count: number) => `{${'"videoFile":"a",'.repeat(count)}"x":1}`;
    expect(isValid(extract(repeat(100)).kept)).toBe(true);
    expect(isValid(extract(repeat(101)).kept)).toBe(false);
    expect(extract(repeat(101)).text).toBeUndefined();
  });

  it('counts only buffered bytes against the limit', () => {
    const around = '{"videoFile":""}'.length;
    const large = `{"videoFile":"${'A'.repeat(100_000)}"}`;
    expect(extract(large, [], around)).toMatchObject({ overflowed: false, kept: '{"videoFile":""}' });
    expect(extract(large, [], around - 1)).toEqual({ overflowed: true, kept: '', text: undefined });
    const other = `{"a":"${'A'.repeat(100_000)}","videoFile":"A"}`;
    expect(extract(other, [50, 500], 1000)).toEqual({ overflowed: true, kept: '', text: undefined });
  });

  it('discards everything when the limit is exceeded in the middle of a chunk', () => {
    const document = `{"a":"${'A'.repeat(100_000)}"}`;
    expect(extract(document, [], 50_000)).toEqual({ overflowed: true, kept: '', text: undefined });
  });

  it('buffers a large document around the field, whatever its chunks are', () => {
    const other = 'B'.repeat(100_000);
    const kept = `{"a":"${other}","videoFile":"","b":"${other}"}`;
    for (const boundaries of [[], [10], [1030, 2050, 70_000]]) {
      expect(extract(kept.replace('File":"', 'File":"AAAA'), boundaries)).toMatchObject({ kept, text: 'AAAA' });
    }
  });

  it('passes on what invalid UTF-8 becomes, which is longer', () => {
    const length = 40_000;
    const document = Buffer.concat([Buffer.from('{"videoFile":"'), Buffer.alloc(length, 0xff), Buffer.from('"}')]);
    expect(extract(document).text === '\ufffd'.repeat(length)).toBe(true);
  });

  it('holds a buffer that doubles up to the limit, and what its sink holds', () => {
    const extractor = new StreamingFieldExtractor({
      ...{ field: FIELD, keepLimitBytes: 5000, sink: () => new CollectingSink() },
    });
    const held = [extractor.heldBytes];
    for (const bytes of [1024, 1, 2000, 1500]) {
      extractor.write(Buffer.alloc(bytes, ' '));
      held.push(extractor.heldBytes);
    }
    expect(held).toEqual([1024, 1024, 2048, 4096, 5000]);
    extractor.write(Buffer.from('{"videoFile":"A'));
    const withSink = extractor.heldBytes;
    expect(withSink).toBeGreaterThan(5000 + 3 * 32 * 1024);
    extractor.sink!.heldBytes = 7;
    expect(extractor.heldBytes).toBe(withSink + 7);
    extractor.discard();
    expect(extractor.heldBytes).toBe(0);
  });

  it('passes megabytes of escapes to the sink in pieces', () => {
    for (const written of ['\\/', '\\u0041', '\\"', '\\\\', '\\ud83d\\ude00']) {
      const times = Math.floor(2_000_000 / written.length);
      const extractor = new StreamingFieldExtractor({
        field: FIELD,
        keepLimitBytes: 100,
        sink: () => new CollectingSink(),
      });
      extractor.write(Buffer.from(`{"videoFile":"x${written.repeat(times)}"}`));
      expect(extractor.sink?.text() === `x${JSON.parse(`"${written}"`).repeat(times)}`).toBe(true);
      expect(Math.max(...extractor.sink!.pieces.map((piece) => piece.length))).toBeLessThan(100_000);
    }
  });

  const name = fc.oneof({ weight: 1, arbitrary: fc.constant(FIELD) }, { weight: 2, arbitrary: fc.string() });
  const string = fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), fc.constantFrom(FIELD, '"', '\\', '/'));
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      string,
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      tie('list'),
      tie('object'),
    ),
    list: fc.array(tie('value'), { maxLength: 4 }),
    object: fc.dictionary(name, tie('value'), { maxKeys: 5 }),
  }));
  const document = fc.oneof({ weight: 5, arbitrary: fc.dictionary(name, value) }, { weight: 1, arbitrary: value });
  const boundaries = fc.array(fc.nat(), { maxLength: 20 });

  /** Escapes characters of strings, chosen by the seed, and slashes like PHP. */
  function escapeSome(json: string, seed: number): string {
    let state = seed;
    return json.replace(/"(?:[^"\\]|\\.)*"/g, (literal) =>
      literal.replace(/\\u....|\\.|[^"]/gu, (character) => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        if (character.startsWith('\\') || state % 3 > 0) return character === '/' ? '\\/' : character;
        const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
        return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
      }),
    );
  }

  it('preserves any document in any chunks', () => {
    fc.assert(
      fc.property(document, fc.nat(), fc.boolean(), boundaries, (content, seed, spaced, splits) => {
        const json = escapeSome(JSON.stringify(content, null, spaced ? ' ' : ''), seed);
        expect(parseRejoined(json, splits)).toEqual(JSON.parse(json));
      }),
      { numRuns: 1000 },
    );
  });

  it('preserves validity as judged by JSON.parse, for documents corrupted anywhere', () => {
    const damage = fc.constantFrom('"', '\\', '{', '}', ',', ':', '\n', 'u', '[', ' ', '');
    fc.assert(
      fc.property(document, fc.nat(), fc.nat(3), damage, boundaries, (content, at, deleted, inserted, splits) => {
        const json = JSON.stringify({ [FIELD]: 'a"b\\c', ...(content as object) });
        const from = at % json.length;
        const damaged = Buffer.from(json.slice(0, from) + inserted + json.slice(from + deleted));
        const text = damaged.toString('utf8');
        expect(isValid(extract(damaged, splits).kept)).toBe(isValid(text));
        if (isValid(text)) expect(parseRejoined(damaged, splits)).toEqual(JSON.parse(text));
      }),
      { numRuns: 1000 },
    );
  });
});
