/** More of a prompt than this would be too small to read; it ends in three dots. */
const MAX_CHARACTERS = 1000;

/**
 * A text of a client as one that can be drawn: in one paragraph, without what has no form, not too long.
 * `most` counts what people call characters.
 */
export function toDisplayText(text: string, max = MAX_CHARACTERS): string {
  // Before it is taken apart: a prompt can have a million characters.
  const prefix = text.slice(0, max * 16).replace(/\p{Surrogate}/gu, '\uFFFD');
  const plain = prefix
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    // Marks can be heaped on one letter without end.
    .replace(/(\p{M}{6})\p{M}+/gu, '$1');
  const characters = Array.from(new Intl.Segmenter().segment(plain), ({ segment }) => segment);
  if (characters.length <= max && prefix.length === text.length) return characters.join('');
  return `${characters
    .slice(0, max - 1)
    .join('')
    .trimEnd()}…`;
}

/** XMP has to fit into 64 KB, and one character can take six bytes. */
const MAX_XMP_CHARACTERS = 10_000;

/** A text of a client as XML can carry it: all of it, as far as there is room. */
export const toXmpText = (text: string): string =>
  escapeXml(
    text
      .slice(0, MAX_XMP_CHARACTERS)
      .replace(/\p{Surrogate}/gu, '\uFFFD')
      .replace(/[^\t\n\r\x20-\uFFFD\u{10000}-\u{10FFFF}]/gu, ''),
  );

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** For XML and for Pango's markup. */
export const escapeXml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
