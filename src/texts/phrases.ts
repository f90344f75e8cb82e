import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type english from '../../fixtures/texts/en.json';

export const LOCALES = ['en', 'zh', 'zh-TW', 'ja', 'ko', 'es', 'fr', 'de', 'pt', 'ru', 'ar'] as const;
export type Locale = (typeof LOCALES)[number];

/** One language's phrase set; the English file is the shape that all others follow. */
export type Phrases = typeof english;
export type Technique = keyof Phrases['techniques'];

const cache = new Map<string, Phrases>();

/** Read at first use, so that a start costs nothing for languages nobody asks for. */
export function loadPhrases(locale: Locale, fixturesDir: string): Phrases {
  const file = join(fixturesDir, 'texts', `${locale}.json`);
  let phrases = cache.get(file);
  if (!phrases) {
    phrases = JSON.parse(readFileSync(file, 'utf8')) as Phrases;
    cache.set(file, phrases);
  }
  return phrases;
}

/** Puts values into `{slots}`. Values are taken as they are, whatever braces or dollars they contain. */
export function interpolate(phrase: string, values: Record<string, string | number>): string {
  return phrase.replace(/\{(\w+)\}/g, (slot, name: string) => String(values[name] ?? slot));
}

/** One line of user text: no line breaks, no runs of white space. */
export const toSingleLine = (text: string) => text.replace(/\s+/gu, ' ').trim();
