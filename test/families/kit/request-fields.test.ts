import { expect, it } from 'vitest';
import { isPublicUrl } from '../../../src/families/kit/request-fields.ts';

it('an address with letters beyond ASCII is one, however often it is asked', () => {
  const answers = new Set<boolean>();
  // What is called so often is compiled anew by the engine, and may behave otherwise then.
  for (let n = 0; n < 50_000; n++) answers.add(isPublicUrl('https://exämple.com/ü.png'));
  expect([...answers]).toEqual([true]);
  for (const url of ['https://', 'https://a b/', 'https://[', 'ftp://a/', '/a.png', 5])
    expect(isPublicUrl(url), `${url}`).toBe(false);
});
