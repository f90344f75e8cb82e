const REPLACEMENT = '[key]';
/** Shorter than this, what another encoding makes of a key is found in texts that have nothing to do with it. */
const MIN_ENCODED_BYTES = 6;

const ENTITIES: Record<string, string> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' };

/** Replaces keys in whatever form they stand in a text. */
export function createRedactor(keys: Iterable<string>): (text: string) => string {
  const patterns = [...new Set(keys)]
    .filter((key) => key !== '')
    // One key can be a part of another.
    .sort((a, b) => b.length - a.length)
    .flatMap((key) => [new RegExp(Array.from(key, buildEscapePattern).join(''), 'gi'), ...buildEncodedPatterns(key)]);
  return (text) => patterns.reduce((rest, pattern) => rest.replace(pattern, REPLACEMENT), text);
}

/**
 * One character of a key: as it is, or escaped as JSON, JavaScript, an address or HTML does it, once or several times. How often is
 * bounded: long runs of one character would be looked through again and again.
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

/** As base64, which looks different by the place in what was encoded, and in hexadecimal digits. */
function buildEncodedPatterns(key: string): RegExp[] {
  const bytes = Buffer.from(key);
  if (bytes.length < MIN_ENCODED_BYTES) return [];
  const base64Patterns = [0, 1, 2].map((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
    // Characters at both ends are made of neighbours as well.
    const inner = padded.toString('base64').replace(/.?=+$/, '').slice([0, 2, 3][offset]);
    return new RegExp(escapeRegExp(inner).replaceAll(/\\?\+/g, '[-+]').replaceAll(/\\?\//g, '[_/]'), 'g');
  });
  return [...base64Patterns, new RegExp(bytes.toString('hex'), 'gi')];
}

const escapeRegExp = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** A copy in which every text, every name of a field and every number was replaced where it has to be. */
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
