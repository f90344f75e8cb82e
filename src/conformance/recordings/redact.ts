const REPLACEMENT = '[key]';
/** The encoded form of a shorter key would match unrelated text. */
const MIN_ENCODED_BYTES = 6;

const ENTITIES: Record<string, string> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' };

/** Creates a function that replaces keys in a text, in plain, escaped and encoded form. */
export function createRedactor(keys: Iterable<string>): (text: string) => string {
  const patterns = [...new Set(keys)]
    .filter((key) => key !== '')
    // Longer keys first: one key may be part of another.
    .sort((a, b) => b.length - a.length)
    .flatMap((key) => [new RegExp(Array.from(key, buildEscapePattern).join(''), 'gi'), ...buildEncodedPatterns(key)]);
  return (text) => patterns.reduce((rest, pattern) => rest.replace(pattern, REPLACEMENT), text);
}

/**
 * Builds a pattern for a character of a key, plain or escaped as in JSON, JavaScript, URLs or HTML, up to eight times.
 * The bound keeps long runs of one character from causing quadratic matching time.
 */
function buildEscapePattern(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) =>
    character.charCodeAt(index).toString(16).padStart(4, '0'),
  );
  const bytes = [...Buffer.from(character)].map((byte) => byte.toString(16).padStart(2, '0'));
  const codePoint = character.codePointAt(0)!;
  const forms = [
    `\\\\{0,8}${escapeRegExp(character)}`,
    units.map((unit) => `\\\\{1,8}u${unit}`).join(''),
    bytes.map((byte) => `%(?:25){0,8}${byte}`).join(''),
    `&(?:amp;){0,8}#0{0,8}${codePoint};?`,
    `&(?:amp;){0,8}#x0{0,8}${codePoint.toString(16)};?`,
  ];
  if (codePoint < 0x100) forms.push(`\\\\{1,8}x${codePoint.toString(16).padStart(2, '0')}`);
  const entity = ENTITIES[character];
  if (entity) forms.push(`&(?:amp;){0,8}${entity};`);
  return `(?:${forms.join('|')})`;
}

/** Builds patterns for a key in hexadecimal digits, and in base64 at each of the three possible alignments. */
function buildEncodedPatterns(key: string): RegExp[] {
  const bytes = Buffer.from(key);
  if (bytes.length < MIN_ENCODED_BYTES) return [];
  const base64Patterns = [0, 1, 2].map((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
    // The characters at both ends also depend on the neighbouring bytes.
    const inner = padded.toString('base64').replace(/.?=+$/, '').slice([0, 2, 3][offset]);
    return new RegExp(escapeRegExp(inner).replaceAll(/\\?\+/g, '[-+]').replaceAll(/\\?\//g, '[_/]'), 'g');
  });
  return [...base64Patterns, new RegExp(bytes.toString('hex'), 'gi')];
}

const escapeRegExp = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Copies a value and redacts every string, field name and number in it. */
export function redactDeep<T>(value: T, redact: (text: string) => string): T {
  const walk = (one: unknown): unknown => {
    if (typeof one === 'string') return redact(one);
    if (typeof one === 'number') return redact(String(one)) === String(one) ? one : REPLACEMENT;
    if (Array.isArray(one)) return one.map(walk);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([name, field]) => [redact(name), walk(field)]));
  };
  return walk(value) as T;
}
