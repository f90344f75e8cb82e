import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type DocumentHandler, DocumentReader } from '../../src/control-plane/state/document-reader.ts';
import { DocumentError } from '../../src/control-plane/state/document-schema.ts';

/** A handler that puts the parts of a document together again. Members whose names start with `l` are lists. */
function createCollector() {
  const document: Record<string, unknown> = {};
  const handler: DocumentHandler = {
    beginMember(name) {
      const isList = name.startsWith('l');
      Object.defineProperty(document, name, {
        value: isList ? [] : undefined,
        ...{ enumerable: true, configurable: true, writable: true },
      });
      return isList;
    },
    handleValue(name, value) {
      Object.defineProperty(document, name, { value });
    },
    handleElement(name, index, element) {
      (document[name] as unknown[])[index] = element;
    },
  };
  return { document, handler };
}

/** Reads a text in chunks that end at `cuts`. */
function read(text: string | Buffer, cuts: readonly number[] = [], maxPartBytes = 10_000): Record<string, unknown> {
  const bytes = Buffer.from(text as string);
  const { document, handler } = createCollector();
  const reader = new DocumentReader(handler, () => ({ bytes: maxPartBytes, flag: '--body-limit-bytes' }));
  const ends = [...cuts, bytes.length].map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b);
  let from = 0;
  for (const end of ends) {
    reader.write(bytes.subarray(from, end));
    from = end;
  }
  reader.end();
  return document;
}

function readError(text: string | Buffer, cuts?: number[]): string {
  try {
    read(text, cuts);
  } catch (error) {
    if (error instanceof DocumentError) return error.message;
    throw error;
  }
  return 'no error';
}

const member = fc.oneof(
  fc.tuple(
    fc.string().map((name) => `l${name}`),
    fc.array(fc.jsonValue()),
  ),
  fc.tuple(
    fc.string().filter((name) => !name.startsWith('l')),
    fc.jsonValue(),
  ),
);
const document = fc
  .uniqueArray(member, { selector: ([name]) => name })
  .map((members) => Object.fromEntries(members) as Record<string, unknown>);
const text = fc
  .tuple(document, fc.constantFrom(undefined, 1, '\t', '\r\n '))
  .map(([value, space]) => JSON.stringify(value, null, space));
/** One line per element, as in an exported document. */
const lines = document.map((value) => {
  const members = Object.entries(value).map(([name, inner]) => {
    const isList = name.startsWith('l');
    const elements = isList ? (inner as unknown[]).map((element) => `\n${JSON.stringify(element)}`) : [];
    return `\n${JSON.stringify(name)}: ${isList ? `[${elements.join(',')}\n]` : JSON.stringify(inner)}`;
  });
  return `{${members.join(',')}\n}\n`;
});
const cuts = fc.array(fc.nat(400), { maxLength: 8 });

describe('reader of documents', () => {
  it('finds the same parts as JSON.parse, wherever the chunks end', () => {
    fc.assert(
      fc.property(fc.oneof(text, lines), cuts, (json, ends) => {
        expect(read(json, ends)).toEqual(JSON.parse(json));
      }),
      { numRuns: 300 },
    );
  });

  it('accepts a changed document exactly if JSON.parse does', () => {
    const change = fc.tuple(fc.nat(300), fc.constantFrom('', ',', ':', '[', ']', '{', '}', '"', '\\', '1', 'x', '\n'));
    fc.assert(
      fc.property(fc.oneof(text, lines), change, cuts, (json, [position, inserted], ends) => {
        const at = position % json.length;
        const changed = json.slice(0, at) + inserted + json.slice(at + 1);
        let expected: unknown = 'invalid';
        try {
          expected = JSON.parse(changed);
        } catch {}
        const isDocument = typeof expected === 'object' && expected !== null && !Array.isArray(expected);
        const hasLists =
          isDocument && Object.entries(expected as object).every(([n, v]) => n[0] !== 'l' || Array.isArray(v));
        if (hasLists) expect(read(changed, ends)).toEqual(expected);
        else expect(readError(changed, ends)).not.toBe('no error');
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['', 'document: the document is cut short here'],
    ['[]', 'document: not valid JSON'],
    ['\uFEFF\uFEFF{"a":1}', 'document: not valid JSON'],
    [' \uFEFF{"a":1}', 'document: not valid JSON'],
    [Buffer.from([0xef, 0xbb, 0x7b, 0x7d]), 'document: not valid JSON'],
    ['{\uFEFF"a":1}', 'document: not valid JSON'],
    ['{"a":\uFEFF1}', 'a: not valid JSON'],
    ['{"list":[\uFEFF1]}', 'list[0]: not valid JSON'],
    ['{"list":[1,{"a":2}', 'list[2]: the document is cut short here'],
    ['{"list":[1,{"a":', 'list[1]: the document is cut short here'],
    ['{"list":{}}', 'list: expected a list'],
    ['{"list":\n{}\n]}', 'list: expected a list'],
    ['{"list":[1,{"a":2 3}]}', 'list[1]: not valid JSON'],
    ['{"list":[{},{"a":2 3},{}]}', 'list[1]: not valid JSON'],
    ['{"list":[{},{}{}]}', 'list[2]: not valid JSON'],
    ['{"list":[1,]}', 'list[1]: not valid JSON'],
    ['{"a":1}}', 'document: not valid JSON'],
    ['{"a":1,}', 'a: not valid JSON'],
    [`{"list":[${'['.repeat(1000)}`, 'list[0]: the document is cut short here'],
    [`{"list":[${'['.repeat(2000)}${']'.repeat(2000)}]}`, 'list[0]: nested deeper than 530 levels'],
    [`{"list":[1,"${'x'.repeat(10_001)}"]}`, 'list[1]: expected at most 10000 bytes (--body-limit-bytes)'],
    [Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]), 'a: not valid UTF-8'],
  ])('names the part of an invalid document: %j', (invalid, message) => {
    expect(readError(invalid)).toBe(message);
  });

  it('accepts a byte order mark', () => {
    expect(read('\uFEFF{"a":1}')).toEqual({ a: 1 });
  });

  it('does not parse the rest of a line again for each element in it', () => {
    const parse = vi.spyOn(JSON, 'parse');
    onTestFinished(() => parse.mockRestore());
    const json = `{"list":[\n${'{},'.repeat(1000)}{}\n]}`;
    read(json);
    expect(parse.mock.calls.reduce((sum, [text]) => sum + text.length, 0)).toBeLessThan(2 * json.length);
  });

  it('holds only the part that is incomplete', () => {
    const { handler } = createCollector();
    const reader = new DocumentReader(handler, () => ({ bytes: 1_000_000 }));
    reader.write(Buffer.from('{"list":['));
    for (let index = 0; index < 1000; index++) {
      reader.write(Buffer.from(`"${'x'.repeat(1000)}`));
      expect(reader.heldBytes).toBeLessThan(3000);
      reader.write(Buffer.from('",'));
    }
    expect(reader.heldBytes).toBe(0);
  });
});
