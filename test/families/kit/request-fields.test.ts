import { expect, it } from 'vitest';
import { isPublicUrl } from '../../../src/families/kit/request-fields.ts';

it('isPublicUrl › accepts non-ASCII URLs after it has been optimized', () => {
  const results = new Set<boolean>();
  // V8 optimizes a function after many calls; on Node 20, URL.canParse gives other results then.
  for (let n = 0; n < 50_000; n++) results.add(isPublicUrl('https://exämple.com/ü.png'));
  expect([...results]).toEqual([true]);
  for (const url of ['https://', 'https://a b/', 'https://[', 'ftp://a/', '/a.png', 5])
    expect(isPublicUrl(url), `${url}`).toBe(false);
});
