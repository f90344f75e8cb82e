import { findCredentials } from '../../http/credentials.ts';
import type { ListedEntry } from '../../http/journal/entry.ts';
import { OpenedEntry } from '../../http/journal/opened-entry.ts';
import { createCredentialRedactor, findBeginning, type Redact } from '../../http/redaction.ts';

/** Maximum number of redacted credentials besides the key, the latest ones. Each makes redaction slower. */
const MAX_CREDENTIALS = 100;

/**
 * Creates a function that redacts the texts of files, which outlive the test and may be published. It replaces the key,
 * the credentials in the headers of these requests, and those in URLs.
 */
export function createFileRedactor(key: string, entries: readonly ListedEntry[]): Redact {
  const credentials = new Set([key]);
  let previous: object | undefined;
  for (let index = entries.length - 1; index >= 0 && credentials.size <= MAX_CREDENTIALS; index--) {
    const entry = entries[index]!;
    // The requests of an opened file are already redacted. Equal headers are often the same object.
    if (entry instanceof OpenedEntry || entry.headers === previous) continue;
    previous = entry.headers;
    for (const credential of findCredentials(entry.headers)) credentials.add(credential);
  }
  const redact = createCredentialRedactor(credentials);
  // The journal keeps enough of a truncated text to recognize the key, but not a longer credential.
  const longer = [...credentials].filter(({ length }) => length > key.length);
  return (text, isTruncated) => (isTruncated ? cutBeforeAny(longer, redact(text)) : redact(text));
}

/** Cuts a text before what may be the beginning of a credential. */
function cutBeforeAny(credentials: readonly string[], text: string): string {
  const offsets = credentials.map((credential) => findBeginning(text, credential)).filter((offset) => offset !== -1);
  return text.slice(0, Math.min(text.length, ...offsets));
}
