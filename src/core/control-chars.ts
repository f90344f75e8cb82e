const SHORT_ESCAPES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
const CONTROL_CHARACTER = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** Longer than any sentence of our own, and than the paths in it. */
const MAX_LINE_CHARACTERS = 4000;

/**
 * Escapes the characters that move the cursor of a terminal, change its colours or reverse the direction of text. Text
 * from servers, clients and files must pass through here before it is printed.
 */
export const escapeControlChars = (text: string): string =>
  text.replace(
    CONTROL_CHARACTER,
    (character) => SHORT_ESCAPES[character] ?? `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );

/** Escapes control characters, and truncates a long text. */
export function toPrintableLine(text: string): string {
  const isTooLong = text.length > MAX_LINE_CHARACTERS;
  return escapeControlChars(isTooLong ? `${text.slice(0, MAX_LINE_CHARACTERS)}…` : text);
}

/** Formats JSON. JSON.stringify only escapes the first 32 control characters. */
export const toPrintableJson = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, index) => character.charCodeAt(index).toString(16).padStart(4, '0'))
      .map((digits) => `\\u${digits}`)
      .join(''),
  );
