const REPLACEMENT = '[key]';
const TEST_KEY_PREFIX = 'np_test_';
/** Shorter keys would match unrelated text. */
const MIN_MASKED_LENGTH = 6;
/** Shorter keys and credentials may be a part of unrelated words. */
export const MIN_EMBEDDED_LENGTH = 8;
/** The encoded form of a shorter key would match unrelated text. */
const MIN_ENCODED_BYTES = 6;

const ENTITIES: Record<string, string> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' };
/** Text without any of these contains no escaped key. */
const ESCAPE = /[\\%&]/;

/**
 * Maximum length of a key whose escaped and encoded forms are replaced: the one of an account's key. A client can send
 * longer ones, whose patterns would be larger than a regular expression can be.
 */
const MAX_PATTERN_KEY_LENGTH = 200;

/** Number of keys whose patterns are kept. */
const MAX_CACHED_PATTERNS = 200;
/** Number of characters of a key that are searched for first. */
const BEGINNING_LENGTH = 6;

/** Maximum length of a character in its escaped form: `&amp;amp;…amp;#x00000000ff;`. */
const MAX_ESCAPED_LENGTH = 48;

/**
 * Replaces keys and other credentials in a text. With `isTruncated`, the text has been cut, and may end with a part of a
 * credential.
 */
export type Redact = (text: string, isTruncated?: boolean) => string;

/** Returns the maximum length of a key in its escaped and encoded forms. */
export const getMaxEncodedLength = (key: string): number => key.length * MAX_ESCAPED_LENGTH;

/**
 * Creates a function that replaces keys in a text, in plain, escaped and encoded form. A short key is only replaced where
 * it is a whole word, not in an error code such as RATE_LIMIT. The time is proportional to the length of the text.
 */
export function createRedactor(
  keys: Iterable<string>,
  getReplacement: (key: string) => string = () => REPLACEMENT,
): Redact {
  const redactors = [...new Set(keys)]
    .filter((key) => key !== '')
    // Longer keys first: one key may be part of another.
    .sort((a, b) => b.length - a.length)
    .map((key) => createKeyRedactor(key, getReplacement(key)));
  return (text) => {
    let scanned = scan(text);
    for (const redact of redactors) {
      const rest = redact(scanned);
      if (rest !== scanned.text) scanned = scan(rest);
    }
    return scanned.text;
  };
}

/** A text with what the search for each key needs. */
type Scanned = ReturnType<typeof scan>;

const scan = (text: string) => ({ text, lowerCase: text.toLowerCase(), hasEscape: ESCAPE.test(text) });

/** Shortens a key to a recognizable prefix. Test keys are not secret and stay as they are. */
export const maskKey = (key: string): string => (key.startsWith(TEST_KEY_PREFIX) ? key : `${key.slice(0, 4)}…`);

export const isSecretKey = (key: string): boolean =>
  key.length >= MIN_MASKED_LENGTH && !key.startsWith(TEST_KEY_PREFIX);

/** Masks keys in a text. */
export const maskKeys = (text: string, keys: readonly string[]): string =>
  createRedactor(keys.filter(isSecretKey), maskKey)(text);

function createKeyRedactor(key: string, replacement: string): (scanned: Scanned) => string {
  if (key.length > MAX_PATTERN_KEY_LENGTH) return ({ text }) => text.replaceAll(key, () => replacement);
  const lowerCaseKey = key.toLowerCase();
  const patterns = getPatterns(key);
  return ({ text, lowerCase, hasEscape }) => {
    let rest = text;
    if ((hasEscape && patterns.beginning.test(rest)) || lowerCase.includes(lowerCaseKey)) {
      rest = rest.replace(patterns.escaped, () => replacement);
    }
    return patterns.encoded ? rest.replace(patterns.encoded, () => replacement) : rest;
  };
}

/** Returns the offset of the first characters of a key in a text, which may be escaped; -1 without them. */
export const findBeginning = (text: string, key: string): number =>
  key.length > MAX_PATTERN_KEY_LENGTH
    ? text.indexOf(key.slice(0, BEGINNING_LENGTH))
    : text.search(getPatterns(key).beginning);

class KeyPatterns {
  readonly #key: string;
  #beginning: RegExp | undefined;
  #escaped: RegExp | undefined;
  readonly encoded: RegExp | undefined;

  constructor(key: string) {
    this.#key = key;
    this.encoded = buildEncodedPattern(key);
  }

  /** Finds the first characters of the key, where the whole key may be. */
  get beginning(): RegExp {
    this.#beginning ??= new RegExp(buildBeginningPattern(this.#key), 'i');
    return this.#beginning;
  }

  /** Compiling this pattern takes up to 100 ms, and most texts do not need it. */
  get escaped(): RegExp {
    this.#escaped ??= new RegExp(asWholeWord(this.#key, buildEscapedPattern(this.#key)), 'gi');
    return this.#escaped;
  }
}

const cachedPatterns = new Map<string, KeyPatterns>();

function getPatterns(key: string): KeyPatterns {
  const cached = cachedPatterns.get(key);
  if (cached) return cached;
  if (cachedPatterns.size === MAX_CACHED_PATTERNS) cachedPatterns.clear();
  const patterns = new KeyPatterns(key);
  cachedPatterns.set(key, patterns);
  return patterns;
}

/**
 * Builds a pattern for a key whose characters are plain or escaped as in JSON, JavaScript, URLs or HTML, up to eight
 * times. Backslashes of the key are optional in the text: a pattern that counts them could be matched to a run of
 * backslashes in so many ways that a mismatch would take forever.
 */
function buildEscapedPattern(key: string): string {
  const parts = key.split(/\\+/);
  const patterns = parts.map((part) => Array.from(part, buildCharacterPattern).join(''));
  return parts.every((part) => part === '')
    ? escapeRegExp(key)
    : patterns.filter((pattern) => pattern !== '').join(ESCAPED_BACKSLASHES);
}

/** Builds a pattern for the first characters. Backslashes of the key are optional in the text. */
const buildBeginningPattern = (key: string): string =>
  buildEscapedPattern(Array.from(key.replace(/^\\+/, '')).slice(0, BEGINNING_LENGTH).join(''));

/** Restricts the pattern of a short key to whole words. The word may follow an escaped character, such as `%22` or `\\n`. */
function asWholeWord(key: string, pattern: string): string {
  if (key.length >= MIN_EMBEDDED_LENGTH) return pattern;
  const start = String.raw`(?:(?<![\w-])|(?<=%(?:25){0,8}[\da-f]{2}|\\(?:[bfnrt]|x[\da-f]{2}|u[\da-f]{4})))`;
  const [isWordAtStart, isWordAtEnd] = [/^\w/.test(key), /\w$/.test(key)];
  return `${isWordAtStart ? start : ''}(?:${pattern})${isWordAtEnd ? '(?![\\w-])' : ''}`;
}

/** Builds a pattern for a character of a key. The bounds limit the length of a match. */
function buildCharacterPattern(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) =>
    character.charCodeAt(index).toString(16).padStart(4, '0'),
  );
  const bytes = [...Buffer.from(character)].map((byte) => byte.toString(16).padStart(2, '0'));
  const codePoint = character.codePointAt(0)!;
  const afterBackslashes = [escapeRegExp(character), `u${units.join('\\\\{1,8}u')}`];
  if (codePoint < 0x100) afterBackslashes.push(`x${codePoint.toString(16).padStart(2, '0')}`);
  const references = [`#0{0,8}${codePoint}`, `#x0{0,8}${codePoint.toString(16)}`];
  const entity = ENTITIES[character];
  if (entity) references.push(entity);
  return (
    `(?:\\\\{0,8}(?:${afterBackslashes.join('|')})|${bytes.map((byte) => `%(?:25){0,8}${byte}`).join('')}|` +
    `&(?:amp;){0,8}(?:${references.join('|')});?)`
  );
}

/** Between the characters of a key: backslashes that are escaped themselves. */
const ESCAPED_BACKSLASHES = `(?:\\\\{0,8}(?:u005c|x5c)|%(?:25){0,8}5c|&(?:amp;){0,8}#(?:0{0,8}92|x0{0,8}5c);?)*\\\\*`;

/** Builds a pattern for a key in hexadecimal digits, and in base64 at each of the three possible alignments. */
function buildEncodedPattern(key: string): RegExp | undefined {
  const bytes = Buffer.from(key);
  if (bytes.length < MIN_ENCODED_BYTES) return undefined;
  const base64Patterns = [0, 1, 2].map((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
    // The characters at both ends also depend on the neighbouring bytes.
    const end = padded.length % 3 === 0 ? undefined : -1;
    const inner = padded.toString('base64url').slice([0, 2, 3][offset], end);
    return inner.replaceAll('-', '[-+]').replaceAll('_', '[_/]');
  });
  const hex = bytes.toString('hex').replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
  return new RegExp([...base64Patterns, hex].join('|'), 'g');
}

const escapeRegExp = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Text without white space, quotation marks and angle brackets, which contains a URL in prose, JSON or HTML whole. */
const TOKEN = /[^\s"'<>]+/g;
/** `://` or its percent-encoded form, with slashes that may be escaped as in JSON. */
const AUTHORITY_START = /(?::|%(?:25){0,8}3a)(?:\\{0,8}\/|%(?:25){0,8}2f){2}/i;
const AUTHORITY_END = /[/?#\\]|%(?:25){0,8}(?:2f|3f)|$/i;
const USER_INFO_END = /@|%(?:25){0,8}40/;
/** The user name and password of a URL. */
const USER_INFO = new RegExp(
  `(${AUTHORITY_START.source})(?:(?!%(?:25){0,8}(?:2f|3f))[^/?#\\\\])*(?:${USER_INFO_END.source})`,
  'i',
);
const AUTHORITY_USER_INFO = new RegExp(`^.*(?:${USER_INFO_END.source})`);
const QUERY_START = /\?|%(?:25){0,8}3f/i;
const FRAGMENT_START = /#|%(?:25){0,8}23/;
/** A parameter that usually holds a secret. */
const SECRET_NAME =
  /(?:sig|token|cred|secret|pass|pwd|policy|key|auth|hmac|hash|jwt|session|expires)[\w.-]{0,40}(?:=|%(?:25){0,8}3d|\\{0,8}u003d)/i;
/** Such a parameter, or a value so long that it may be a secret. In a fragment, it is more likely a heading. */
const SECRET_PARAMETER = new RegExp(`${SECRET_NAME.source}|[\\w.~%+-]{20}`, 'i');

/**
 * Replaces the queries of signed URLs, which grant access to any client that has them, and user names and passwords in
 * URLs. Takes time proportional to the length of the text.
 */
export const redactSignedUrls: Redact = (text) => text.replaceAll(TOKEN, redactUrls);

/**
 * Creates a function that redacts the texts of files: recordings, HAR documents, summaries and the requests of exported
 * accounts. It replaces these credentials, and those in URLs.
 */
export function createCredentialRedactor(credentials: Iterable<string>): Redact {
  const redact = createRedactor(credentials);
  return (text) => redactSignedUrls(redact(text));
}

function redactUrls(token: string): string {
  const start = AUTHORITY_START.exec(token);
  if (!start) return token;
  const authorityStart = start.index + start[0].length;
  const authorityEnd = authorityStart + token.slice(authorityStart).search(AUTHORITY_END);
  const authority = token.slice(authorityStart, authorityEnd).replace(AUTHORITY_USER_INFO, `${REPLACEMENT}@`);
  return token.slice(0, authorityStart) + authority + redactAfterAuthority(token.slice(authorityEnd));
}

/** Returns the offset after the first match of `start` if a secret follows, else the length of the text. */
function findSecret(text: string, start: RegExp, secret: RegExp): number {
  const match = start.exec(text);
  const offset = match ? match.index + match[0].length : text.length;
  return secret.test(text.slice(offset)) ? offset : text.length;
}

/** Replaces everything from a secret query or fragment on, or from the user name of a further URL on. */
function redactAfterAuthority(text: string): string {
  const userInfo = USER_INFO.exec(text);
  const secretStart = Math.min(
    findSecret(text, QUERY_START, SECRET_PARAMETER),
    findSecret(text, FRAGMENT_START, SECRET_NAME),
    userInfo ? userInfo.index + userInfo[1]!.length : text.length,
  );
  if (secretStart === text.length) return text;
  // Backslashes at the end escape the quotation mark after it.
  let secretEnd = text.length;
  while (text[secretEnd - 1] === '\\') secretEnd -= 1;
  return text.slice(0, secretStart) + REPLACEMENT + text.slice(secretEnd);
}

/** Copies a value and redacts every string, field name and number in it. */
export function redactDeep<T>(value: T, redact: Redact): T {
  const walk = (one: unknown): unknown => {
    if (typeof one === 'string') return redact(one);
    if (typeof one === 'number') return redact(String(one)) === String(one) ? one : REPLACEMENT;
    if (Array.isArray(one)) return one.map(walk);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([name, field]) => [redact(name), walk(field)]));
  };
  return walk(value) as T;
}
