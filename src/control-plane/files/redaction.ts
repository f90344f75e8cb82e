import { findCredentials } from '../../http/credentials.ts';
import type { ListedEntry } from '../../http/journal/entry.ts';
import { OpenedEntry } from '../../http/journal/opened-entry.ts';
import { createCredentialRedactor, type Redact } from '../../http/redaction.ts';

/** Different credentials besides the key, the latest first. Each makes redacting slower. */
const MAX_CREDENTIALS = 100;

/**
 * Creates the redaction of what users keep as files, which outlive the test and may be published: of the key, of the
 * credentials in the headers of these requests, and of those in URLs.
 */
export function createFileRedactor(key: string, entries: readonly ListedEntry[]): Redact {
  const credentials = new Set([key]);
  let previous: object | undefined;
  for (let index = entries.length - 1; index >= 0 && credentials.size <= MAX_CREDENTIALS; index--) {
    const entry = entries[index]!;
    // The requests of an opened file are redacted. Equal headers are often the same object.
    if (entry instanceof OpenedEntry || entry.headers === previous) continue;
    previous = entry.headers;
    for (const credential of findCredentials(entry.headers)) credentials.add(credential);
  }
  return createCredentialRedactor(credentials);
}
