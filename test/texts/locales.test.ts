import { describe, expect, it } from 'vitest';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { LOCALES, loadPhrases, type Phrases } from '../../src/texts/phrases.ts';

/** Every string of a phrase file with its path. */
function listStrings(value: unknown, path = ''): [path: string, text: string][] {
  if (typeof value === 'string') return [[path, value]];
  return Object.entries(value as object).flatMap(([key, inner]) => listStrings(inner, `${path}/${key}`));
}

const english = listStrings(loadPhrases('en', FIXTURES_DIR));
const listSlots = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([slot]) => slot).sort();
const joinTexts = (phrases: Phrases) =>
  listStrings(phrases)
    .map(([, text]) => text)
    .join(' ');
const others = LOCALES.filter((locale) => locale !== 'en');

/** The script of each language, and its minimum share of the letters. */
const SCRIPTS: Record<(typeof LOCALES)[number], { letters: RegExp; share: number }> = {
  en: { letters: /\p{Script=Latin}/gu, share: 0.99 },
  es: { letters: /\p{Script=Latin}/gu, share: 0.99 },
  fr: { letters: /\p{Script=Latin}/gu, share: 0.99 },
  de: { letters: /\p{Script=Latin}/gu, share: 0.99 },
  pt: { letters: /\p{Script=Latin}/gu, share: 0.99 },
  ru: { letters: /\p{Script=Cyrillic}/gu, share: 0.97 },
  ar: { letters: /\p{Script=Arabic}/gu, share: 0.97 },
  ko: { letters: /\p{Script=Hangul}/gu, share: 0.95 },
  zh: { letters: /\p{Script=Han}/gu, share: 0.95 },
  'zh-TW': { letters: /\p{Script=Han}/gu, share: 0.95 },
  ja: { letters: /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー]/gu, share: 0.95 },
};

/** Words that occur in one of our Latin-script languages more often than in the others. */
const WORDS: Partial<Record<(typeof LOCALES)[number], RegExp>> = {
  en: /\b(the|with|and)\b/g,
  es: /\b(el|los|una|con|hacia)\b/g,
  fr: /\b(le|les|une|avec|vers)\b/g,
  de: /\b(der|die|und|mit|eine)\b/g,
  pt: /\b(o|os|uma|com|não)\b/g,
};

describe.each(others)('phrases of %s', (locale) => {
  const phrases = loadPhrases(locale, FIXTURES_DIR);
  const strings = listStrings(phrases);

  it('have the structure and slots of the English ones', () => {
    expect(strings.map(([path]) => path).sort()).toEqual(english.map(([path]) => path).sort());
    const own = new Map(strings);
    for (const [path, text] of english) {
      expect([path, listSlots(own.get(path)!)]).toEqual([path, listSlots(text)]);
      expect([path, own.get(path)!.trim() === '']).toEqual([path, text.trim() === '']);
    }
  });

  it('are translated, not copied', () => {
    const same = english.filter(([path, text]) => text.length > 12 && new Map(strings).get(path) === text);
    expect(same).toEqual([]);
  });

  it('fit into a Markdown table', () => {
    expect(strings.filter(([, text]) => /[|\n]/.test(text))).toEqual([]);
  });
});

describe('script of each language', () => {
  it.each(LOCALES)('%s', (locale) => {
    const text = joinTexts(loadPhrases(locale, FIXTURES_DIR)).replace(/\{\w+\}/g, '');
    const letters = text.match(/\p{L}/gu)!.length;
    expect(text.match(SCRIPTS[locale].letters)!.length / letters).toBeGreaterThan(SCRIPTS[locale].share);
    const words = WORDS[locale];
    if (!words) return;
    const count = (pattern: RegExp) => text.match(pattern)?.length ?? 0;
    expect(count(words)).toBeGreaterThan(100);
    for (const pattern of Object.values(WORDS)) {
      if (pattern !== words) expect(count(pattern)).toBeLessThan(count(words));
    }
  });

  it('differs between Simplified Chinese, Traditional Chinese and Japanese', () => {
    const [simplified, traditional] = [/[镜头画这为与开间从边]/g, /[鏡頭畫這為與開間從邊]/g];
    const zh = joinTexts(loadPhrases('zh', FIXTURES_DIR));
    const tw = joinTexts(loadPhrases('zh-TW', FIXTURES_DIR));
    expect(zh).toMatch(simplified);
    expect(zh).not.toMatch(traditional);
    expect(tw).toMatch(traditional);
    expect(tw).not.toMatch(/[镜画这与开间从边]/);
    expect(joinTexts(loadPhrases('ja', FIXTURES_DIR)).match(/\p{Script=Hiragana}/gu)!.length).toBeGreaterThan(1000);
  });
});
