const REPLACEMENT = '[key]';
/** Shorter than this, what another encoding makes of a key is found in texts that have nothing to do with it. */
const SHORTEST_ENCODED = 6;

const ENTITIES: Record<string, string> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' };

/** Replaces keys in whatever form they stand in a text. */
export function createRedaction(keys: Iterable<string>): (text: string) => string {
  const patterns = [...new Set(keys)]
    .filter((key) => key !== '')
    // One key can be a part of another.
    .sort((one, other) => other.length - one.length)
    .flatMap((key) => [new RegExp(Array.from(key, formsOf).join(''), 'gi'), ...encodedForms(key)]);
  return (text) => patterns.reduce((rest, pattern) => rest.replace(pattern, REPLACEMENT), text);
}

/**
 * One character of a key: as it is, or escaped as JSON, JavaScript, an address or HTML does it, once or several times. How often is
 * bounded: long runs of one character would be looked through again and again.
 */
function formsOf(character: string): string {
  const units = Array.from({ length: character.length }, (_, place) =>
    character.charCodeAt(place).toString(16).padStart(4, '0'),
  );
  const bytes = [...Buffer.from(character)].map((byte) => byte.toString(16).padStart(2, '0'));
  const point = character.codePointAt(0)!;
  const forms = [
    `\\\\{0,8}${quoted(character)}`,
    units.map((unit) => `\\\\{1,8}u${unit}`).join(''),
    bytes.map((byte) => `%(?:25){0,8}${byte}`).join(''),
    `&(?:amp;){0,8}#0{0,8}${point};?`,
    `&(?:amp;){0,8}#x0{0,8}${point.toString(16)};?`,
  ];
  if (point < 0x100) forms.push(`\\\\{1,8}x${point.toString(16).padStart(2, '0')}`);
  const entity = ENTITIES[character];
  if (entity) forms.push(`&(?:amp;){0,8}${entity};`);
  return `(?:${forms.join('|')})`;
}

/** As base64, which looks different by the place in what was encoded, and in hexadecimal digits. */
function encodedForms(key: string): RegExp[] {
  const bytes = Buffer.from(key);
  if (bytes.length < SHORTEST_ENCODED) return [];
  const inBase64 = [0, 1, 2].map((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]);
    // Characters at both ends are made of neighbours as well.
    const own = whole.toString('base64').replace(/.?=+$/, '').slice([0, 2, 3][before]);
    return new RegExp(quoted(own).replaceAll(/\\?\+/g, '[-+]').replaceAll(/\\?\//g, '[_/]'), 'g');
  });
  return [...inBase64, new RegExp(bytes.toString('hex'), 'gi')];
}

const quoted = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** A copy in which every text, every name of a field and every number was replaced where it has to be. */
export function redacted<T>(value: T, redaction: (text: string) => string): T {
  const walk = (one: unknown): unknown => {
    if (typeof one === 'string') return redaction(one);
    if (typeof one === 'number') return redaction(String(one)) === String(one) ? one : REPLACEMENT;
    if (Array.isArray(one)) return one.map(walk);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([name, field]) => [redaction(name), walk(field)]));
  };
  return walk(value) as T;
}
