import { describe, expect, it } from 'vitest';
import { JsonLimitError, parseJson } from '../../src/core/json.ts';

const LIMITS = { maxNesting: 10, maxValues: 100 };

describe('parseJson', () => {
  it('accepts as much as its limits allow', () => {
    const nested = `${'['.repeat(10)}${']'.repeat(10)}`;
    // The list counts, too.
    const list = JSON.stringify(Array.from({ length: 99 }, (_, index) => index));
    const siblings = `[${'{},[],'.repeat(24)}1]`;
    for (const json of [nested, list, siblings, `\ufeff${list}`, '\ufeff1']) {
      expect(parseJson(json, LIMITS)).toEqual(JSON.parse(json.replace('\ufeff', '')));
    }
  });

  it('rejects more', () => {
    expect(() => parseJson(`${'['.repeat(11)}${']'.repeat(11)}`, LIMITS)).toThrow('nested deeper than 10 levels');
    expect(() => parseJson('{"a":'.repeat(11), LIMITS)).toThrow('nested deeper than 10 levels');
    const list = JSON.stringify(Array.from({ length: 100 }, () => 'a'));
    expect(() => parseJson(list, LIMITS)).toThrow(new JsonLimitError('made of more than 100 values'));
    const afterBackslash = JSON.stringify(['\\', ...Array.from({ length: 99 }, () => 0)]);
    expect(() => parseJson(afterBackslash, LIMITS)).toThrow(JsonLimitError);
    const fields = JSON.stringify(Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`f${index}`, 0])));
    expect(() => parseJson(fields, LIMITS)).toThrow(JsonLimitError);
  });

  it('accepts any number of values without a limit', () => {
    const list = Array.from({ length: 1000 }, (_, index) => index);
    expect(parseJson(JSON.stringify(list), { maxNesting: 1 })).toEqual(list);
  });

  it('does not count what is inside of strings', () => {
    const value = ['[{,'.repeat(1000), '\\'.repeat(999), `"${','.repeat(200)}`];
    expect(parseJson(JSON.stringify(value), LIMITS)).toEqual(value);
  });

  it.each(['"', '["\\"', '{"a":"\\', `["${'a'.repeat(100)}`, `${'x'.repeat(100)}"`])('rejects the text %j', (text) => {
    expect(() => parseJson(text, LIMITS)).toThrow(SyntaxError);
  });
});
