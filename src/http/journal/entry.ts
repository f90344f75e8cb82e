import type { FastifyReply, FastifyRequest } from 'fastify';
import { copyPrefix, stringBytes } from '../../core/string-memory.ts';
import type { Task, TaskStatus } from '../../core/tasks/task.ts';
import type { Redact } from '../redaction.ts';
import { getPathname } from '../urls.ts';
import type { BoundedLog, LogEntry } from './bounded-log.ts';
import { type BoundedNames, MAX_NAMES, NO_NAMES } from './bounded-names.ts';
import { OpenedEntry } from './opened-entry.ts';

/** Maximum length of a body that is shown. */
const MAX_BODY_LENGTH = 16 * 1024;
/** Maximum length of a name that is shown. */
const MAX_NAME_LENGTH = 200;

/**
 * Size of an entry and its places in the lists of its log, with one task and a generated id, without its texts and
 * lists.
 */
const ENTRY_BYTES = 960;
/** Size of a header without its name and value: its places in the list, and in the object with its name in lower case. */
const HEADER_BYTES = 120;
/** Size of a task's id, with its status and its place in a list. */
const TASK_BYTES = 128;

const EMPTY: readonly never[] = [];

/** The values of a new entry that do not come from the request. */
export interface EntryOptions {
  log: BoundedLog<Entry>;
  /**
   * Number of characters that are kept of a truncated text in addition to those that are shown, so that an API key at
   * the end of the shown text is recognized.
   */
  marginLength: number;
  seq: number;
  atMs: number;
  wallMs: number;
  mediaTaskId: string | null;
}

/**
 * One request and its response, stored as received; they are formatted only when the journal is read.
 *
 * Clients that poll repeat the same texts again and again. While an entry is the newest one of its log, it shares texts
 * and lists with the entry before it if they are equal; this saves nearly all of the garbage collection that the
 * journal would cause. Shared texts count towards the size of each entry.
 */
export class Entry implements LogEntry {
  readonly log: BoundedLog<Entry>;
  bytes = 0;
  isRetained = true;
  olderInGroup: LogEntry | null = null;
  newerInGroup: LogEntry | null = null;
  readonly #marginLength: number;
  /** The entry to share texts with; null as soon as there is a newer entry, so that entries do not form a chain. */
  #previous: Entry | null;
  /** Number of the request among those of the account, from 1. */
  readonly seq: number;
  /** Time of the request on the account's clock. */
  readonly atMs: number;
  /** Wall time of the request. */
  readonly wallMs: number;
  readonly method: string;
  readonly path: string;
  readonly requestId: string;
  /** Null: no response has been sent, or not yet. */
  status: number | null = null;
  errorCode: string | null = null;
  /** Null: the request is in progress. */
  durationMs: number | null = null;
  /**
   * Number of the account's latest request when the response was sent. Null: the response is pending, lost or
   * truncated. Requests after that one may depend on the response: a client can have read it before its end is known here.
   */
  deliveredAtSeq: number | null = null;
  /**
   * Number of the account's latest request when the connection ended without a complete response. Null: the response is
   * pending or delivered. Recorded for requests with faults and synchronous tasks only.
   */
  lostAtSeq: number | null = null;
  #sentAtSeq = 0;
  /** Whether a fault replaced or corrupted the body, so that the client cannot learn the result from it. */
  isReplaced = false;
  readonly headers: FastifyRequest['headers'];
  /** Names and values alternately, as they arrived. */
  readonly rawHeaders: readonly string[];
  readonly #headersBytes: number;
  body = '';
  #bodyBytes = 0;
  isBodyTruncated = false;
  /** Paths of fields in the body that the route does not know. */
  unknownFields = NO_NAMES;
  /** Values of the response headers that the emulator sets. */
  contentType: string | undefined = undefined;
  limit: number | undefined = undefined;
  remaining: number | undefined = undefined;
  resetSeconds: number | undefined = undefined;
  retryAfterSeconds: number | undefined = undefined;
  responseBody = '';
  #responseBodyBytes = 0;
  isResponseBodyTruncated = false;
  /** The tasks that the request created, in order. */
  submitted: readonly string[] = EMPTY;
  /** The task whose result is the response. */
  synchronousTaskId: string | null = null;
  /** The task whose file the request is for. */
  readonly mediaTaskId: string | null;
  /** The tasks of a poll with the status that the response reports. */
  polled: readonly { taskId: string; status: TaskStatus }[] = EMPTY;
  /** The faults that applied, as ids of rules or as directives. */
  faults: readonly string[] = EMPTY;
  warnings = NO_NAMES;

  /** Creates the entry and adds it to its log. */
  constructor(request: FastifyRequest, { log, marginLength, seq, atMs, wallMs, mediaTaskId }: EntryOptions) {
    const previous = log.last;
    previous?.releasePrevious();
    this.log = log;
    this.#marginLength = marginLength;
    this.#previous = previous;
    this.seq = seq;
    this.atMs = atMs;
    this.wallMs = wallMs;
    this.method = request.method;
    const path = getPathname(request);
    this.path = previous?.path === path ? previous.path : path;
    this.requestId = previous?.requestId === request.id ? previous.requestId : request.id;
    const { rawHeaders } = request.raw;
    const hasSameHeaders = previous !== null && areEqual(previous.rawHeaders, rawHeaders);
    this.headers = hasSameHeaders ? previous.headers : request.headers;
    this.rawHeaders = hasSameHeaders ? previous.rawHeaders : rawHeaders;
    this.#headersBytes = hasSameHeaders ? previous.#headersBytes : measureHeaders(rawHeaders);
    this.mediaTaskId = mediaTaskId;
    // The path may be a slice of the URL, which is then kept, too.
    log.add(this, ENTRY_BYTES + this.#headersBytes + request.originalUrl.length);
  }

  releasePrevious(): void {
    this.#previous = null;
  }

  setBody(bodyText: string): void {
    const maxLength = MAX_BODY_LENGTH + this.#marginLength;
    this.isBodyTruncated = bodyText.length > maxLength;
    if (this.#previous?.body === bodyText) {
      this.body = this.#previous.body;
      this.#bodyBytes = this.#previous.#bodyBytes;
    } else {
      this.body = this.isBodyTruncated ? copyPrefix(bodyText, maxLength) : bodyText;
      this.#bodyBytes = stringBytes(this.body);
    }
    this.#grow(this.#bodyBytes);
  }

  setSubmitted(tasks: readonly Task[]): void {
    this.submitted = tasks.map(({ id }) => id);
    this.#growByTasks(tasks.length);
  }

  setPolled(tasks: readonly Task[]): void {
    const { polled: previous = EMPTY } = this.#previous ?? {};
    const isSame =
      previous.length === tasks.length &&
      previous.every(({ taskId, status }, index) => taskId === tasks[index]!.id && status === tasks[index]!.status);
    this.polled = isSame ? previous : tasks.map(({ id, status }) => ({ taskId: id, status }));
    this.#growByTasks(tasks.length);
  }

  setUnknownFields(fields: BoundedNames): void {
    if (fields.names.length > 0) this.unknownFields = this.#retainNames(fields);
  }

  setWarnings(warnings: readonly string[]): void {
    const names = warnings.slice(0, MAX_NAMES);
    if (names.length > 0) this.warnings = this.#retainNames({ names, omittedCount: warnings.length - names.length });
  }

  addFault(fault: string): void {
    this.faults = [...this.faults, fault];
    this.#grow(stringBytes(fault));
  }

  appendResponseBody(text: string): void {
    const previousBytes = this.#responseBodyBytes;
    if (this.responseBody === '' && this.#previous?.responseBody === text) {
      this.responseBody = this.#previous.responseBody;
      this.#responseBodyBytes = this.#previous.#responseBodyBytes;
    } else {
      const remainingLength = MAX_BODY_LENGTH + this.#marginLength - this.responseBody.length;
      if (text.length > remainingLength) this.isResponseBodyTruncated = true;
      this.responseBody += text.length > remainingLength ? copyPrefix(text, remainingLength) : text;
      this.#responseBodyBytes = stringBytes(this.responseBody);
    }
    this.#grow(this.#responseBodyBytes - previousBytes);
  }

  /** Records status, error code, headers and duration of a response that is about to be sent. */
  setResponseHead(request: FastifyRequest, reply: FastifyReply): void {
    // The log may have been cleared meanwhile.
    this.#sentAtSeq = this.log.last?.seq ?? this.seq;
    this.status = reply.statusCode;
    this.errorCode = request.state.errorCode;
    this.contentType = reply.getHeader('content-type') as string | undefined;
    this.limit = reply.getHeader('x-ratelimit-limit') as number | undefined;
    this.remaining = reply.getHeader('x-ratelimit-remaining') as number | undefined;
    this.resetSeconds = reply.getHeader('x-ratelimit-reset') as number | undefined;
    if (this.status === 429) this.retryAfterSeconds = reply.getHeader('retry-after') as number | undefined;
    this.setDuration(reply);
  }

  /** Records that the response has been sent completely. */
  setDelivered(): void {
    this.deliveredAtSeq = this.#sentAtSeq;
  }

  /** Records the end of the connection; the response is lost unless it has been sent completely. */
  setEnded(): void {
    // The log may have been cleared meanwhile.
    if (this.deliveredAtSeq === null) this.lostAtSeq = this.log.last?.seq ?? this.seq;
  }

  /** Records the end of the request; without `setResponseHead`, the response was lost. */
  setDuration(reply: FastifyReply): void {
    this.durationMs = Math.round(reply.elapsedTime * 10) / 10;
  }

  /** Returns a body without API keys. `text` is the body of the request or of the response. */
  redactBody(text: string, isTruncated: boolean, redact: Redact): string {
    return isTruncated ? this.#redactPrefix(text, MAX_BODY_LENGTH, redact) : redact(text);
  }

  /** Returns a name without API keys. */
  redactName(name: string, redact: Redact): string {
    const isTruncated = name.length > MAX_NAME_LENGTH + this.#marginLength;
    return isTruncated ? `${this.#redactPrefix(name, MAX_NAME_LENGTH, redact)}…` : redact(name);
  }

  /** Redacts a truncated text, and removes its end, which may be a part of a key. */
  #redactPrefix(text: string, maxLength: number, redact: Redact): string {
    const redacted = redact(text, true);
    return redacted.slice(0, Math.max(0, Math.min(maxLength, redacted.length - this.#marginLength)));
  }

  /** Copies the names: parts of a body would keep all of it in memory. */
  #retainNames({ names, omittedCount }: BoundedNames): BoundedNames {
    // One character more than the maximum marks a name as truncated.
    const maxLength = MAX_NAME_LENGTH + this.#marginLength + 1;
    const copies = names.map((name) => copyPrefix(name, maxLength));
    for (const copy of copies) this.#grow(stringBytes(copy));
    return { names: copies, omittedCount };
  }

  #growByTasks(count: number): void {
    if (count > 1) this.#grow((count - 1) * TASK_BYTES);
  }

  #grow(bytes: number): void {
    this.log.grow(this, bytes);
  }
}

/** A request in the journal, or in an opened file. */
export type ListedEntry = Entry | OpenedEntry;

/** Returns the ids of all tasks that a request is about. */
export function getTaskIds(entry: ListedEntry): string[] {
  if (entry instanceof OpenedEntry) return entry.json.taskIds;
  const { submitted, synchronousTaskId, polled, mediaTaskId } = entry;
  return [
    ...submitted,
    ...(synchronousTaskId === null ? [] : [synchronousTaskId]),
    ...polled.map(({ taskId }) => taskId),
    ...(mediaTaskId === null ? [] : [mediaTaskId]),
  ];
}

/** Returns the response headers that the emulator sets, without those that Node adds. */
export function toResponseHeaders(entry: Entry): Record<string, string | number> {
  const headers = {
    'x-ratelimit-limit': entry.limit,
    'x-ratelimit-remaining': entry.remaining,
    'x-ratelimit-reset': entry.resetSeconds,
    'retry-after': entry.retryAfterSeconds,
    'content-type': entry.contentType,
  };
  return Object.fromEntries(Object.entries(headers).filter((header) => header[1] !== undefined)) as Record<
    string,
    string | number
  >;
}

/** `rawHeaders` alternates between names and values. Node reads both as Latin-1. */
function measureHeaders(rawHeaders: readonly string[]): number {
  let bytes = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    bytes += HEADER_BYTES + 2 * rawHeaders[index]!.length + rawHeaders[index + 1]!.length;
  }
  return bytes;
}

function areEqual(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}
