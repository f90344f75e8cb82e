import fc from 'fast-check';
import type { Json } from './fixture.ts';

/** A piece of JSON text that no JavaScript value can produce. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Like JSON.stringify, but inserts `RawJson` verbatim. */
export function stringify(value: Json): string {
  if (value instanceof RawJson) return value.text;
  if (Array.isArray(value)) return `[${value.map(stringify).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${fields.map(([name, inner]) => `${JSON.stringify(name)}:${stringify(inner)}`).join(',')}}`;
}

const nestedArrays = (depth: number) => new RawJson(`${'['.repeat(depth)}${']'.repeat(depth)}`);
const nestedObjects = (depth: number) => new RawJson(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);

export const hostileTexts: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...[
        '',
        ' ',
        '\0',
        'a\0b',
        '\ud800',
        'a\udfff',
        '\ufeff',
        '\u202eabc',
        '🏴‍☠️',
        '👩‍👩‍👧‍👦'.repeat(50),
        '\r\n\r\nHTTP/1.1 200 OK',
      ],
      ...['__proto__', 'constructor', 'null', 'true', '0', '-1', '1e999', 'NaN', '../../etc/passwd', "' OR 1=1 --"],
      ...[
        '<script>alert(1)</script>',
        '{{7*7}}',
        '%00',
        '%s%n',
        'data:image/png;base64,aGk=',
        'http://[::1',
        'http://',
        'file:///etc',
      ],
      ...[
        'x'.repeat(5000),
        'é'.repeat(3000),
        '\u0000'.repeat(500),
        'task_',
        'np_test_',
        '2026-01-31T12:00:00.000Z',
        '9999-12-31T23:59:59.999Z',
      ],
      ...['@emulator(', '@emulator()', '@emulator(explode)', '+275760-09-13T00:00:00.001Z', '1969-12-31T23:59:59Z'],
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.nat(60_000).map((length) => 'y'.repeat(length)) },
);

const NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.5,
  1e-7,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  2 ** 63,
  1e21,
  1e308,
  -1e308,
];

export const hostileValues: fc.Arbitrary<Json> = fc.oneof(
  { weight: 3, arbitrary: hostileTexts },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Json>(null, true, false, [], {}, [null], [[]], [{}], { a: {} }, ...NUMBERS),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Json>(
      ...['1e400', '-1e400', '0.1e-400', '123456789012345678901234567890', '"\\ud800"', '"\\u0000"', '-0'].map(
        (text) => new RawJson(text),
      ),
      ...[nestedArrays(10), nestedArrays(500), nestedObjects(7), nestedObjects(400)],
      ...[
        '{"__proto__":{"success":true}}',
        '{"constructor":{"prototype":{"a":1}}}',
        '{"length":-1}',
        '{"toString":1,"valueOf":1}',
        '{"length":{"toString":1,"valueOf":1}}',
        '{"then":1}',
      ].map((text) => new RawJson(text)),
      ...['{"a":1,"a":2}', '{"":0}'].map((text) => new RawJson(text)),
    ),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
);

/** Texts that are not valid JSON, or only just. */
export const corruptJson = (text: string): fc.Arbitrary<Buffer> =>
  fc.oneof(
    fc.nat(Math.max(1, text.length)).map((end) => Buffer.from(text.slice(0, end))),
    fc.constantFrom(',', '}', ']', 'null', '\0', ' //', '{}', '\n\n\n').map((end) => Buffer.from(text + end)),
    fc
      .constantFrom('\ufeff', '\ufeff\ufeff', ' '.repeat(2000), '\t\r\n', ")]}',\n")
      .map((start) => Buffer.from(start + text)),
    fc
      .constantFrom([0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0x00])
      .chain((bytes) =>
        fc
          .nat(text.length)
          .map((at) =>
            Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from(bytes), Buffer.from(text.slice(at))]),
          ),
      ),
    fc
      .constantFrom(
        'NaN',
        'undefined',
        'Infinity',
        "{'a':1}",
        '{a:1}',
        '[1,]',
        '01',
        '"\t"',
        'nul',
        '+1',
        '.5',
        '{',
        '"',
        '[',
      )
      .map((bad) => Buffer.from(bad)),
    fc.constantFrom(500, 5000, 8000, 100_000).map((depth) => Buffer.from('['.repeat(depth) + ']'.repeat(depth))),
    fc
      .constantFrom(400, 2700, 30_000)
      .map((depth) => Buffer.from(`{"prompt":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`)),
    fc.constantFrom('utf16le', 'latin1').map((encoding) => Buffer.from(text, encoding as BufferEncoding)),
  );
