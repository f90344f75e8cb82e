import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type english from '../../fixtures/texts/en.json';

export const LOCALES = ['en', 'zh', 'zh-TW', 'ja', 'ko', 'es', 'fr', 'de', 'pt', 'ru', 'ar'] as const;
export type Locale = (typeof LOCALES)[number];

/** The phrases of one language. All files have the structure of the English one. */
export type Phrases = typeof english;
export type Technique = keyof Phrases['techniques'];

const cache = new Map<string, Phrases>();

/** Reads the phrases of a language on first use and caches them. */
export function loadPhrases(locale: Locale, fixturesDir: string): Phrases {
  const file = join(fixturesDir, 'texts', `${locale}.json`);
  let phrases = cache.get(file);
  if (!phrases) {
    phrases = JSON.parse(readFileSync(file, 'utf8')) as Phrases;
    cache.set(file, phrases);
  }
  return phrases;
}

/** Replaces `{slots}` with values. Braces and dollar signs in values have no special meaning. */
export function interpolate(phrase: string, values: Record<string, string | number>): string {
  return phrase.replace(/\{(\w+)\}/g, (slot, name: string) => String(values[name] ?? slot));
}

/** Collapses whitespace, including line breaks, to single spaces. */
export const toSingleLine = (text: string) => text.replace(/\s+/gu, ' ').trim();
