import fc from 'fast-check';
import type { Message } from './case.ts';

/** Byte sequences that may confuse an HTTP parser. */
const TOKENS = [
  ...[
    '\r\n',
    '\n',
    '\r',
    '\r\n\r\n',
    '\0',
    ' ',
    '\t',
    ':',
    ': ',
    ',',
    ';',
    '%',
    '%%',
    '%u0041',
    '\x7f',
    '\x80',
    '\xff\xfe',
    '\xc0\xaf',
  ],
  ...[
    'HTTP/1.1',
    'HTTP/0.9',
    'HTTP/1.0',
    'HTTP/2.0',
    'HTTP/9.9',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  ],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Content-Length: 5\r\n',
    'Content-Length: 0\r\nContent-Length: 9\r\n',
    'Transfer-Encoding: \x0bchunked\r\n',
  ],
  ...[
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    '0\r\n\r\n',
    'ffffffffffffffff\r\n',
    '-1\r\n',
    '5;ext="\r\n',
    ' folded\r\n',
    '\r\n folded',
    'Host: twice\r\n',
  ],
].map((text) => Buffer.from(text, 'latin1'));

type ByteEdit =
  | { kind: 'flip'; at: number; bit: number }
  | { kind: 'insert'; at: number; token: Buffer }
  | { kind: 'remove'; at: number; count: number }
  | { kind: 'repeat'; at: number; count: number; times: number }
  | { kind: 'noise'; at: number; noise: Uint8Array };

const at = fc.nat(1_000_000);
const byteEdit: fc.Arbitrary<ByteEdit> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat(7) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('insert' as const), at, token: fc.constantFrom(...TOKENS) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), at, count: fc.nat(60) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      ...{ kind: fc.constant('repeat' as const), at, count: fc.nat(80), times: fc.constantFrom(1, 3, 300) },
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('noise' as const),
      at,
      noise: fc.uint8Array({ maxLength: 24 }),
    }),
  },
);

function applyEdit(bytes: Buffer, edit: ByteEdit): Buffer {
  if (bytes.length === 0) return bytes;
  // Most parser-relevant bytes are in the head, so favor it over the body.
  const end = bytes.indexOf('\r\n\r\n');
  const offset = edit.at % (edit.at % 3 > 0 && end > 0 ? end + 4 : bytes.length);
  const [before, after] = [bytes.subarray(0, offset), bytes.subarray(offset)];
  switch (edit.kind) {
    case 'flip': {
      const copy = Buffer.from(bytes);
      copy[offset]! ^= 1 << edit.bit;
      return copy;
    }
    case 'insert':
      return Buffer.concat([before, edit.token, after]);
    case 'remove':
      return Buffer.concat([before, after.subarray(edit.count)]);
    case 'repeat':
      return Buffer.concat([before, ...Array(edit.times).fill(after.subarray(0, edit.count)), after]);
    case 'noise':
      return Buffer.concat([before, edit.noise, after]);
  }
}

/** One to four valid requests in one packet, with one to four byte edits. */
export const mangled = (message: fc.Arbitrary<Message>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      fc.oneof(
        { weight: 4, arbitrary: fc.array(message, { minLength: 1, maxLength: 1 }) },
        { weight: 1, arbitrary: fc.array(message, { minLength: 2, maxLength: 4 }) },
      ),
      fc.array(byteEdit, { minLength: 1, maxLength: 4 }),
    )
    .map(([messages, edits]) => edits.reduce(applyEdit, Buffer.concat(messages.map(({ bytes }) => bytes))));

/** A request whose body length differs from its framing, for both Content-Length and chunked encoding. */
export const misframed = (message: fc.Arbitrary<Message>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(message, fc.integer({ min: -20, max: 200 }), fc.nat(5), fc.nat(40))
    .map(([{ bytes }, delta, variant, size]) => {
      const end = bytes.indexOf('\r\n\r\n') + 4;
      const [head, body] = [bytes.subarray(0, end).toString('latin1'), bytes.subarray(end)];
      const withLength = (length: string) =>
        Buffer.concat([Buffer.from(head.replace(/Content-Length: \d+/, `Content-Length: ${length}`), 'latin1'), body]);
      if (variant === 0) return withLength(String(Math.max(0, body.length + delta)));
      if (variant === 1) return withLength('9'.repeat(1 + (size % 30)));
      const chunked = head.replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked');
      const chunks: Buffer[] = [Buffer.from(chunked, 'latin1')];
      const step = Math.max(1, size);
      for (let offset = 0; offset < body.length; offset += step) {
        const chunk = body.subarray(offset, offset + step);
        // Variants 3 and up get one chunk size line wrong.
        const isWrong = variant > 2 && offset <= size && size % 3 > 0;
        const sizeLine = isWrong
          ? [`${(chunk.length + 1).toString(16)}`, 'zz', `${chunk.length.toString(16)};x=y`][variant - 3]
          : chunk.length.toString(16);
        chunks.push(Buffer.from(`${sizeLine}\r\n`), chunk, Buffer.from('\r\n'));
      }
      return Buffer.concat([...chunks, Buffer.from(delta < 0 ? '0\r\n' : '0\r\n\r\n')]);
    });

/** CONNECT tunnels to the vendor and to other hosts, followed by a payload. */
export const tunnels = (message: fc.Arbitrary<Message>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      fc.constantFrom(
        'nanophoto.ai:80',
        'nanophoto.ai:443',
        'video.nanophoto.ai:80',
        'evil.example:443',
        'nanophoto.ai',
        ':80',
        '[::1]:80',
        'nanophoto.ai:99999',
        '/',
        'a'.repeat(2000),
      ),
      fc.oneof(
        message.map(({ bytes }) => bytes),
        fc.constantFrom(...TOKENS),
        fc.constant(Buffer.alloc(0)),
      ),
    )
    .map(([target, payload]) =>
      Buffer.concat([Buffer.from(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`), payload]),
    );
