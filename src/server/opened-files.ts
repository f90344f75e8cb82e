import { constants } from 'node:buffer';
import { JournalEntrySchema, Verdict } from '../control-plane/response-schemas.ts';
import { type DocumentHandler, DocumentReader } from '../control-plane/state/document-reader.ts';
import { DocumentError } from '../control-plane/state/document-schema.ts';
import { createDocumentImports, type DocumentImport, parse } from '../control-plane/state/import-document.ts';
import type { Core } from '../core/core.ts';
import { EmulatorError, SetupError } from '../core/errors.ts';
import { readChunks } from '../core/files.ts';
import { endSentence } from '../core/sentence.ts';
import { FAMILIES } from '../families/index.ts';
import type { OpenedJournal, OpenedState } from '../http/context.ts';
import { OpenedEntry } from '../http/journal/opened-entry.ts';

const MAX_KEY_LENGTH = 200;

/** Documents of exports that an emulator shows without changing them. */
export interface FilesToOpen {
  /** The file or directory, as the user wrote it. */
  path: string;
  /** The documents, with the names that distinguish accounts with the same key. */
  files: readonly { path: string; name: string }[];
}

/**
 * Imports the documents as they are. Accounts with the same key get the name of their file as a suffix.
 * @throws SetupError naming the file that cannot be read or is invalid
 */
export function openFiles(core: Core, { path, files }: FilesToOpen): OpenedState {
  const beginImport = createDocumentImports(core, FAMILIES, Number.POSITIVE_INFINITY);
  const read = files.map((file) => ({
    ...file,
    ...withFileName(file.path, () => readDocument(beginImport(), file.path)),
  }));
  const counts = new Map<string, number>();
  for (const { key } of read) counts.set(key, (counts.get(key) ?? 0) + 1);
  const keys = new Set([...counts].flatMap(([key, count]) => (count === 1 ? [key] : [])));
  const journals = new Map<number, OpenedJournal>();
  for (const { documentImport, journal, key: originalKey, ...file } of read) {
    const key = counts.get(originalKey) === 1 ? originalKey : createKey(`${originalKey}@${file.name}`, keys);
    const { id } = withFileName(file.path, () =>
      documentImport.commit({ key, origin: 'control', replace: false, readOnly: true }),
    );
    journals.set(id, journal);
  }
  return { path, journals };
}

/** Reads a document up to its end, without creating its account. @throws DocumentError when it is invalid */
function readDocument(documentImport: DocumentImport, path: string) {
  const { handler } = documentImport;
  const requests: OpenedEntry[] = [];
  let verdict: OpenedJournal['verdict'];
  const withJournal: DocumentHandler = {
    ...handler,
    handleValue(name, value) {
      handler.handleValue(name, value);
      if (name === 'verdict') verdict = parse(Verdict, value, name);
    },
    handleElement(name, index, element) {
      handler.handleElement(name, index, element);
      if (name !== 'requests') return;
      const entry = new OpenedEntry(parse(JournalEntrySchema, element, `requests[${index}]`));
      const lastSeq = requests.at(-1)?.seq ?? 0;
      if (!(entry.seq > lastSeq) || String(entry.seq) !== entry.json.id) {
        throw new DocumentError(`requests[${index}].id`, `expected a whole number above ${lastSeq}`);
      }
      requests.push(entry);
    },
  };
  const reader = new DocumentReader(withJournal, () => ({ bytes: constants.MAX_STRING_LENGTH }));
  for (const chunk of readFile(path)) documentImport.write(chunk.length, () => reader.write(chunk));
  reader.end();
  const { key } = documentImport;
  if (key === undefined) throw new DocumentError('account', 'it is missing');
  return { documentImport, key, journal: { requests, verdict } };
}

/** Returns a valid key that is not among `keys`, and adds it to them. */
function createKey(text: string, keys: Set<string>): string {
  const printable = text.replace(/[^\x21-\x7e]/g, '_');
  for (let number = 1; ; number++) {
    const suffix = number === 1 ? '' : `-${number}`;
    const key = printable.slice(0, MAX_KEY_LENGTH - suffix.length) + suffix;
    if (keys.has(key)) continue;
    keys.add(key);
    return key;
  }
}

/** @throws SetupError when the file cannot be read */
function* readFile(path: string): Generator<Buffer, void, void> {
  try {
    yield* readChunks(path);
  } catch (cause) {
    throw new SetupError(`${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
}

/** @throws SetupError naming the file, when its document is invalid */
function withFileName<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof DocumentError || cause instanceof EmulatorError)) throw cause;
    throw new SetupError(`${path} cannot be opened: ${endSentence(cause.message)}`, { cause });
  }
}
