import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isSupportedLocale, isWrittenIn } from '../../src/conformance/languages.ts';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { LOCALES } from '../../src/texts/phrases.ts';

/** All texts in a language, without the English field names of the file. */
const loadText = (locale: string) =>
  readFileSync(join(FIXTURES_DIR, 'texts', `${locale}.json`), 'utf8').replaceAll(/"\w+":/g, '');

it.each(LOCALES)('language detection distinguishes %s from all other languages', (locale) => {
  expect(isSupportedLocale(locale)).toBe(true);
  expect(LOCALES.filter((other) => isWrittenIn(other, loadText(locale)))).toEqual([locale]);
});

it('language detection returns nothing for a text without words', () => {
  expect(LOCALES.filter((locale) => isWrittenIn(locale, '| 1 | 2 |'))).toEqual([]);
});
