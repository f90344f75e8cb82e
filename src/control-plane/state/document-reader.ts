import { isUtf8 } from 'node:buffer';
import { parseJson } from '../../core/json.ts';
import { BodyBuffer, type BodySink } from '../../http/pipeline/body.ts';
import { DocumentError } from './document-schema.ts';

/** The input of a task, and the rules of an account, are nested a few levels deeper than the body of their request. */
export const MAX_NESTING = 530;
/** Elements up to this size cannot exceed the maximum nesting. */
const MAX_BATCHED_BYTES = 2 * MAX_NESTING;

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
const SPACES: readonly number[] = [0x20, 0x0a, 0x0d, 0x09];
const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf];
/** The bytes that end a number, `true`, `false` or `null`. */
const DELIMITERS: readonly number[] = [...SPACES, COMMA, COLON, CLOSE_LIST, CLOSE_OBJECT];

/** The maximum size of a part of a document. */
export interface PartLimit {
  bytes: number;
  /** The flag that changes it, if there is one. */
  flag?: string;
}

/** Receives the members of a document in their order. Each method may throw a DocumentError. */
export interface DocumentHandler {
  /** Begins a member; returns whether its elements are handled one by one. */
  beginMember(name: string): boolean;
  handleValue(name: string, value: unknown): void;
  handleElement(name: string, index: number, element: unknown): void;
}

/** The syntax that is allowed next between two parts, besides white space. */
type Expected =
  | 'document'
  | 'first name'
  | 'name'
  | 'colon'
  | 'value'
  | 'first element'
  | 'element'
  | 'next'
  | 'nothing';

/**
 * Splits a JSON object into its parts as it arrives, so that it is never in memory as a whole: names, elements of lists
 * and other values. `JSON.parse` parses each part; only the syntax between the parts is checked here.
 */
export class DocumentReader implements BodySink {
  readonly #handler: DocumentHandler;
  readonly #getLimit: (member: string | undefined) => PartLimit;
  #expected: Expected = 'document';
  /** Number of bytes of the byte order mark that have been read. */
  #markBytes = 0;
  #member: string | undefined;
  /** Whether the current member is a list whose elements are handled one by one. */
  #isList = false;
  #index = 0;
  /** Whether short elements are parsed together. */
  #isBatching = true;

  /** The beginning of a part whose end has not arrived. */
  #part: BodyBuffer | undefined;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  /** @param getLimit Returns the limit of a member's elements, or of its value; without a member, that of a name */
  constructor(handler: DocumentHandler, getLimit: (member: string | undefined) => PartLimit) {
    this.#handler = handler;
    this.#getLimit = getLimit;
  }

  /** The limit of the current part. */
  get #limit(): PartLimit {
    const isName = this.#expected === 'first name' || this.#expected === 'name';
    return this.#getLimit(isName ? undefined : this.#member);
  }

  get heldBytes(): number {
    return this.#part?.heldBytes ?? 0;
  }

  discard(): void {
    this.#part = undefined;
  }

  /** @throws DocumentError */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#part) at = this.#readPart(chunk, at, this.#part);
      else {
        const byte = chunk[at]!;
        if (this.#expected === 'document') {
          this.#readStart(byte);
          at += 1;
          continue;
        }
        const end = byte === OPEN_OBJECT && this.#isBatching ? this.#readElements(chunk, at) : -1;
        if (end !== -1) at = end;
        else if (SPACES.includes(byte) || this.#readPunctuation(byte)) at += 1;
        else if (this.#expected === 'first name' || this.#expected === 'name') this.#beginPart(byte === QUOTE);
        else this.#beginPart(this.#isValueExpected() && byte !== BYTE_ORDER_MARK[0] && !DELIMITERS.includes(byte));
      }
    }
  }

  /** @throws DocumentError when the document is not complete */
  end(): void {
    if (this.#expected !== 'nothing') this.#fail('the document is cut short here');
  }

  readonly #isValueExpected = () =>
    this.#expected === 'value' || this.#expected === 'first element' || this.#expected === 'element';

  /** Handles a byte before the document's object: at most one byte order mark, then white space. */
  #readStart(byte: number): void {
    if (byte === BYTE_ORDER_MARK[this.#markBytes]) this.#markBytes += 1;
    else if (this.#markBytes % BYTE_ORDER_MARK.length !== 0) this.#fail('not valid JSON');
    else if (byte === OPEN_OBJECT) this.#expected = 'first name';
    else if (SPACES.includes(byte)) this.#markBytes = BYTE_ORDER_MARK.length;
    else this.#fail('not valid JSON');
  }

  /** Handles a byte that separates, opens or closes parts; returns false for any other. */
  #readPunctuation(byte: number): boolean {
    switch (this.#expected) {
      case 'first name':
        if (byte === CLOSE_OBJECT) this.#expected = 'nothing';
        return byte === CLOSE_OBJECT;
      case 'colon':
        if (byte === COLON) this.#expected = 'value';
        return byte === COLON;
      case 'value':
        if (!this.#isList) return false;
        if (byte !== OPEN_LIST) this.#fail('expected a list');
        this.#expected = 'first element';
        return true;
      case 'first element':
        return byte === CLOSE_LIST && this.#endList();
      case 'next':
        if (this.#isList) {
          if (byte === COMMA) this.#expected = 'element';
          return byte === COMMA || (byte === CLOSE_LIST && this.#endList());
        }
        if (byte === COMMA) this.#expected = 'name';
        else if (byte === CLOSE_OBJECT) {
          this.#expected = 'nothing';
          this.#member = undefined;
        }
        return byte === COMMA || byte === CLOSE_OBJECT;
      default:
        return false;
    }
  }

  /**
   * Handles the consecutive short elements from `from` on, which are objects: parsing many together takes two thirds of
   * the time. Returns the offset after the last one, or -1 if none is complete or one is invalid.
   */
  #readElements(chunk: Buffer, from: number): number {
    if (this.#expected !== 'first element' && this.#expected !== 'element') return -1;
    const maxBytes = Math.min(MAX_BATCHED_BYTES, this.#limit.bytes);
    let lastEnd = -1;
    let at = from;
    while (chunk[at] === OPEN_OBJECT) {
      const end = findObjectEnd(chunk, at, Math.min(at + maxBytes, chunk.length));
      if (end === -1) break;
      lastEnd = end;
      if (chunk[end] !== COMMA) break;
      at = chunk[end + 1] === NEWLINE ? end + 2 : end + 1;
    }
    if (lastEnd === -1) return -1;
    const bytes = chunk.subarray(from, lastEnd);
    let elements: unknown[];
    try {
      elements = isUtf8(bytes) ? JSON.parse(`[${bytes}]`) : [];
    } catch {
      elements = [];
    }
    // Parsing them one by one shows which one is invalid.
    this.#isBatching = elements.length > 0;
    for (const element of elements) this.#handle(element);
    return this.#isBatching ? lastEnd : -1;
  }

  #endList(): true {
    this.#isList = false;
    this.#expected = 'next';
    return true;
  }

  #beginPart(isAllowed: boolean): void {
    if (!isAllowed) this.#fail('not valid JSON');
    this.#part = new BodyBuffer();
    this.#depth = 0;
    this.#isInString = false;
    this.#isEscaped = false;
  }

  /** Reads the bytes of a part. Returns the offset after the last one that was read. */
  #readPart(chunk: Buffer, from: number, part: BodyBuffer): number {
    const end = this.#findEnd(chunk, from, part.heldBytes === 0);
    part.write(chunk.subarray(from, end === -1 ? chunk.length : end));
    const { bytes, flag } = this.#limit;
    if (part.bytes.length > bytes) this.#fail(`expected at most ${bytes} bytes${flag ? ` (${flag})` : ''}`);
    if (end === -1) return chunk.length;
    this.#part = undefined;
    this.#handle(this.#parse(part.bytes));
    return end;
  }

  /** Returns the offset after the part; -1 if it does not end in this chunk. */
  #findEnd(chunk: Buffer, from: number, isFirst: boolean): number {
    let [depth, isInString, isEscaped] = [this.#depth, this.#isInString, this.#isEscaped];
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (isInString) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) {
          isInString = false;
          if (depth === 0) return at + 1;
        }
      } else if (byte === QUOTE) {
        // A quote directly after a number or another primitive is invalid, which JSON.parse finds.
        isInString = true;
      } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth += 1;
      else if (depth > 0) {
        if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
          depth -= 1;
          if (depth === 0) return at + 1;
        }
      } else if (!(isFirst && at === from) && DELIMITERS.includes(byte)) return at;
    }
    this.#depth = depth;
    this.#isInString = isInString;
    this.#isEscaped = isEscaped;
    return -1;
  }

  #parse(bytes: Buffer): unknown {
    if (!isUtf8(bytes)) this.#fail('not valid UTF-8');
    try {
      return parseJson(bytes.toString(), { maxNesting: MAX_NESTING });
    } catch (error) {
      // The message of a SyntaxError quotes the document, which must not get into the log.
      return this.#fail(error instanceof SyntaxError ? 'not valid JSON' : (error as Error).message);
    }
  }

  #handle(value: unknown): void {
    if (this.#expected === 'first name' || this.#expected === 'name') {
      this.#member = value as string;
      this.#isList = this.#handler.beginMember(this.#member);
      this.#index = 0;
      this.#expected = 'colon';
      return;
    }
    this.#expected = 'next';
    if (this.#isList) {
      this.#handler.handleElement(this.#member!, this.#index, value);
      this.#index += 1;
    } else this.#handler.handleValue(this.#member!, value);
  }

  #fail(reason: string): never {
    const suffix = this.#isList && this.#expected !== 'value' ? `[${this.#index}]` : '';
    throw new DocumentError(this.#member === undefined ? 'document' : `${this.#member}${suffix}`, reason);
  }
}

/** Returns the offset after the object that starts at `from`; -1 if it does not end before `limit`. */
function findObjectEnd(chunk: Buffer, from: number, limit: number): number {
  let depth = 0;
  for (let at = from; at < limit; at++) {
    const byte = chunk[at]!;
    if (byte === QUOTE) {
      at += 1;
      while (at < limit && chunk[at] !== QUOTE) at += chunk[at] === BACKSLASH ? 2 : 1;
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth += 1;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}
