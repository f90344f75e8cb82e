import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TextMatcher } from '../../../src/core/faults/text-matcher.ts';

/** Few different characters, so that patterns overlap and occur. */
const overlappingText = (maxLength: number) =>
  fc.array(fc.constantFrom('a', 'b', '猫', '\u{1f600}'), { maxLength }).map((units) => units.join(''));

describe('the text matcher', () => {
  it('finds the same patterns as String.includes', () => {
    fc.assert(
      fc.property(fc.array(overlappingText(6), { maxLength: 20 }), overlappingText(60), (patterns, text) => {
        const contains = new TextMatcher(patterns).search(text);
        expect(patterns.map(contains)).toEqual(patterns.map((pattern) => text.includes(pattern)));
      }),
      { numRuns: 500 },
    );
  });

  it('can search several texts', () => {
    const matcher = new TextMatcher(['cat', 'at', 'dog', 'cat']);
    expect(['cat', 'at', 'dog'].map(matcher.search('a cat'))).toEqual([true, true, false]);
    expect(['cat', 'at', 'dog'].map(matcher.search('a dog'))).toEqual([false, false, true]);
  });
});
