/** A longer prompt would be too small to read, and is truncated with an ellipsis. */
const MAX_CHARACTERS = 1000;

/**
 * Prepares client text for rendering: one paragraph, without control characters, of at most `max` grapheme clusters.
 */
export function toDisplayText(text: string, max = MAX_CHARACTERS): string {
  // Truncated before it is segmented: a prompt can have a million characters.
  const prefix = text.slice(0, max * 16).replace(/\p{Surrogate}/gu, '\uFFFD');
  const plain = prefix
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    // A letter can carry any number of combining marks.
    .replace(/(\p{M}{6})\p{M}+/gu, '$1');
  const characters = Array.from(new Intl.Segmenter().segment(plain), ({ segment }) => segment);
  if (characters.length <= max && prefix.length === text.length) return characters.join('');
  return `${characters
    .slice(0, max - 1)
    .join('')
    .trimEnd()}…`;
}

/** XMP is limited to 64 KB, and an escaped character can take six bytes. */
const MAX_XMP_CHARACTERS = 10_000;

/** Prepares client text for XML: escaped, without invalid characters, truncated to the XMP limit. */
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

/** Escapes text for XML and Pango markup. */
export const escapeXml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
