import type { JournalEntry } from '../client/types.ts';

/** Headers that curl sets itself or that only concern the original connection. */
const OMITTED_HEADERS = [
  /^(?:host|connection|keep-alive|content-length|transfer-encoding|user-agent|accept|accept-encoding|expect)$/i,
  /^(?:sec-.*|x-emulator-console)$/i,
];
/** The journal's placeholder for the API key. */
const KEY_PLACEHOLDER = '[key]';

/**
 * Formats a journal entry as a curl command for bash or zsh. The client's text is quoted so that none of it can end the
 * quotation; control characters, which a terminal would interpret while the line is pasted, become escapes.
 */
export function toCurl(entry: JournalEntry, key: string, origin: string): string {
  const { method, path, request } = entry;
  const restoreKey = (text: string) => text.replaceAll(KEY_PLACEHOLDER, () => key);
  const headers = Object.entries(request.headers)
    .filter(([name]) => !OMITTED_HEADERS.some((pattern) => pattern.test(name)))
    .flatMap(([name, value]) =>
      // `name;` is curl's syntax for an empty header; it drops a header that is written as `name:`.
      [value].flat().map((one) => (one === '' ? `${name};` : `${name}: ${restoreKey(one)}`)),
    );
  // Result files are fetched without a key.
  if (!path.startsWith('/media/')) headers.unshift(`Authorization: Bearer ${key}`);
  const { body } = request;
  const text = typeof body === 'string' ? body : body === null ? undefined : JSON.stringify(body);
  const url = origin + restoreKey(path);
  return [
    // Disable URL globbing.
    /[[\]{}]/.test(url) ? 'curl -sSg' : 'curl -sS',
    // Keep dot segments.
    ...(/\/\.\.?(\/|$)/.test(path) ? ['--path-as-is'] : []),
    ...(method === (text === undefined ? 'GET' : 'POST')
      ? []
      : [method === 'HEAD' ? '-I' : `-X ${quoteForShell(method)}`]),
    quoteForShell(url),
    ...headers.map((header) => `-H ${quoteForShell(header)}`),
    ...(text === undefined ? [] : [`--data-raw ${quoteForShell(restoreKey(text))}`]),
  ].join(' ');
}

const SAFE_UNQUOTED = /^[\w./:=@%+,-]+$/;
/** Control characters, and characters that change how the rest of the line is displayed. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/u;

/** Quotes text as a single word for bash or zsh. */
export function quoteForShell(text: string): string {
  if (SAFE_UNQUOTED.test(text)) return text;
  if (!INVISIBLE.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const escaped = Array.from(text, (character) => {
    if (character === '\\' || character === "'") return `\\${character}`;
    if (!INVISIBLE.test(character)) return character;
    return [...new TextEncoder().encode(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  });
  return `$'${escaped.join('')}'`;
}
