import { describe, expect, it } from 'vitest';
import { JsonLimitError, parseJson } from '../../src/core/json.ts';

const LIMITS = { maxNesting: 10, maxValues: 100 };

describe('parseJson', () => {
  it('accepts as much as its limits allow', () => {
    const nested = `${'['.repeat(10)}${']'.repeat(10)}`;
    const list = JSON.stringify(Array.from({ length: 98 }, (_, index) => index));
    for (const json of [nested, list, `\ufeff${list}`]) {
      expect(parseJson(json, LIMITS)).toEqual(JSON.parse(json.replace('\ufeff', '')));
    }
  });

  it('rejects more', () => {
    expect(() => parseJson(`${'['.repeat(11)}${']'.repeat(11)}`, LIMITS)).toThrow('nested deeper than 10 levels');
    const list = JSON.stringify(Array.from({ length: 101 }, () => 'a'));
    expect(() => parseJson(list, LIMITS)).toThrow(new JsonLimitError('made of more than 100 values'));
    const fields = JSON.stringify(Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`f${index}`, 0])));
    expect(() => parseJson(fields, LIMITS)).toThrow(JsonLimitError);
  });

  it('does not count what is inside of strings', () => {
    const value = ['[{,'.repeat(1000), '\\'.repeat(999), `"${','.repeat(200)}`];
    expect(parseJson(JSON.stringify(value), LIMITS)).toEqual(value);
  });

  it.each(['"', '["\\"', '{"a":"\\', `["${'a'.repeat(100)}`, `${'x'.repeat(100)}"`])('rejects the text %j', (text) => {
    expect(() => parseJson(text, LIMITS)).toThrow(SyntaxError);
  });
});
