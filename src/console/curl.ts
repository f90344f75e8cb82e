import type { JournalEntry } from '../client/types.ts';

/** Sent by curl itself, or of the connection. */
const OMITTED_HEADERS =
  /^(host|connection|content-length|transfer-encoding|user-agent|accept|accept-encoding|expect|keep-alive|sec-.*|x-emulator-console)$/i;
/** Stands in the journal where the key stood. */
const KEY_PLACEHOLDER = '[key]';

/**
 * A request of the journal as a line for a shell. Whatever its client has written, the shell takes it as text: nothing of it ends a
 * quotation, and control characters, which a terminal would act on as they are pasted, are written as escapes.
 */
export function toCurl(entry: JournalEntry, key: string, origin: string): string {
  const { method, path, request } = entry;
  const restoreKey = (text: string) => text.replaceAll(KEY_PLACEHOLDER, () => key);
  const headers = Object.entries(request.headers)
    .filter(([name]) => !OMITTED_HEADERS.test(name))
    .flatMap(([name, value]) =>
      // Without a value curl would leave it out.
      [value].flat().map((one) => (one === '' ? `${name};` : `${name}: ${restoreKey(one)}`)),
    );
  // Files are fetched without a key.
  if (!path.startsWith('/media/')) headers.unshift(`Authorization: Bearer ${key}`);
  const { body } = request;
  const text = typeof body === 'string' ? body : body === null ? undefined : JSON.stringify(body);
  const url = origin + restoreKey(path);
  return [
    // In these curl would see several addresses.
    /[[\]{}]/.test(url) ? 'curl -sSg' : 'curl -sS',
    // It would go along these itself.
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
/** Control characters, and those that change how the rest of a line looks. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/u;

/** One word of a shell's line. */
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
