/**
 * Words that nearly every text of a language contains, and few texts of other languages. Their counts distinguish
 * languages with the same letters, even if a topic or a name in the text is of another language.
 */
const COMMON_WORDS: Record<string, readonly string[]> = {
  en: ['the', 'and', 'of', 'with', 'to', 'is', 'from', 'that', 'at', 'by', 'into'],
  es: ['el', 'los', 'las', 'y', 'del', 'con', 'una', 'un', 'hacia', 'por', 'su', 'se'],
  fr: ['le', 'les', 'et', 'du', 'des', 'une', 'dans', 'avec', 'est', 'sur', 'vers', 'aux'],
  de: ['der', 'die', 'das', 'und', 'mit', 'ein', 'eine', 'im', 'von', 'den', 'ist', 'auf'],
  pt: ['o', 'os', 'do', 'da', 'uma', 'um', 'em', 'dos', 'das', 'ao', 'não', 'são', 'pela'],
};

/** Scripts of the languages that their letters identify. */
const SCRIPTS: Record<string, RegExp> = {
  zh: /\p{Script=Han}/gu,
  'zh-TW': /\p{Script=Han}/gu,
  ja: /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/gu,
  ko: /\p{Script=Hangul}/gu,
  ru: /\p{Script=Cyrillic}/gu,
  ar: /\p{Script=Arabic}/gu,
};

/** The same characters in their traditional (Taiwan) and simplified (mainland) forms. */
const TRADITIONAL = /[鏡頭畫時個為與聲風燈間動場電視這們來會對開關從過還無發長車東樂點線構圖廣見觀體變張調節運轉]/g;
const SIMPLIFIED = /[镜头画时个为与声风灯间动场电视这们来会对开关从过还无发长车东乐点线构图广见观体变张调节运转]/g;

const countMatches = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;

/** Whether texts in this language can be recognized. */
export const isSupportedLocale = (locale: string): boolean => locale in COMMON_WORDS || locale in SCRIPTS;

/** Whether a text is mostly in this language. */
export function isWrittenIn(locale: string, text: string): boolean {
  const letters = countMatches(text, /\p{L}/gu);
  const script = SCRIPTS[locale];
  if (!script) return detectLanguageByWords(text) === locale;
  if (letters === 0 || countMatches(text, script) < letters / 2) return false;
  const kana = countMatches(text, /[\p{Script=Hiragana}\p{Script=Katakana}]/gu);
  if (locale === 'ja') return kana > letters / 10;
  if (!locale.startsWith('zh')) return true;
  const isTraditional = countMatches(text, TRADITIONAL) > countMatches(text, SIMPLIFIED);
  return kana < letters / 10 && isTraditional === (locale === 'zh-TW');
}

/** Returns the language with the most common words in a text. Undefined: no language has any. */
function detectLanguageByWords(text: string): string | undefined {
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? [];
  const counts = Object.entries(COMMON_WORDS)
    .map(([language, commonWords]) => ({
      language,
      count: words.filter((word) => commonWords.includes(word)).length,
    }))
    .sort((a, b) => b.count - a.count);
  return counts[0]!.count > 0 ? counts[0]!.language : undefined;
}
