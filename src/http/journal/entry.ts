import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Task, TaskStatus } from '../../core/tasks/task.ts';
import { getPathname } from '../urls.ts';
import type { BoundedLog, LogEntry } from './bounded-log.ts';

/** Request and response bodies are kept up to this size. */
const MAX_BODY_BYTES = 16 * 1024;

const EMPTY: readonly never[] = [];

/** The values of a new entry that do not come from the request. */
export interface EntryOptions {
  log: BoundedLog<Entry>;
  /** The account's key, which is redacted in bodies that are truncated. */
  key: string;
  seq: number;
  atMs: number;
  mediaTaskId: string | null;
}

/**
 * One request and its response, stored as received; they are formatted only when the journal is read.
 *
 * Clients that poll repeat the same texts again and again. While an entry is the newest one of its log, it shares texts
 * and lists with the entry before it if they are equal; this saves nearly all of the garbage collection that the
 * journal would cause.
 */
export class Entry implements LogEntry {
  readonly log: BoundedLog<Entry>;
  bytes = 0;
  isRetained = true;
  readonly #key: string;
  /** The entry to share texts with; null as soon as there is a newer entry, so that entries do not form a chain. */
  #previous: Entry | null;
  /** Number of the request among those of the account, from 1. */
  readonly seq: number;
  /** Time of the request on the account's clock. */
  readonly atMs: number;
  readonly method: string;
  readonly path: string;
  /** Null: no response has been sent, or not yet. */
  status: number | null = null;
  errorCode: string | null = null;
  /** Null: the request is in progress. */
  durationMs: number | null = null;
  /**
   * Number of the account's latest request when the response had been sent completely. Null: the response is pending,
   * lost or truncated.
   */
  deliveredAtSeq: number | null = null;
  /** Whether a fault replaced or corrupted the body, so that the client cannot learn the result from it. */
  isReplaced = false;
  readonly headers: FastifyRequest['headers'];
  /** Names and values alternately, as they arrived. */
  readonly rawHeaders: readonly string[];
  body = '';
  isBodyTruncated = false;
  /** Paths of fields in the body that the route does not know. */
  unknownFields: readonly string[] = EMPTY;
  /** Values of the response headers that the emulator sets. */
  contentType: string | undefined = undefined;
  limit: number | undefined = undefined;
  remaining: number | undefined = undefined;
  resetSeconds: number | undefined = undefined;
  retryAfterSeconds: number | undefined = undefined;
  responseBody = '';
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
  warnings: readonly string[] = EMPTY;

  constructor(request: FastifyRequest, { log, key, seq, atMs, mediaTaskId }: EntryOptions) {
    const previous = log.last;
    if (previous) previous.#previous = null;
    this.log = log;
    this.#key = key;
    this.#previous = previous;
    this.seq = seq;
    this.atMs = atMs;
    this.method = request.method;
    const path = getPathname(request);
    this.path = previous?.path === path ? previous.path : path;
    const { rawHeaders } = request.raw;
    const hasSameHeaders = previous !== null && areEqual(previous.rawHeaders, rawHeaders);
    this.headers = hasSameHeaders ? previous.headers : request.headers;
    this.rawHeaders = hasSameHeaders ? previous.rawHeaders : rawHeaders;
    this.mediaTaskId = mediaTaskId;
  }

  setBody(bodyText: string): void {
    const text = this.#previous?.body === bodyText ? this.#previous.body : bodyText;
    this.isBodyTruncated = text.length > MAX_BODY_BYTES;
    // Redacted before it is truncated: a part of the key would not be recognized later.
    this.body = this.isBodyTruncated ? copyPrefix(redactKey(text, this.#key)) : text;
    this.log.grow(this, this.body.length);
  }

  setPolled(tasks: readonly Task[]): void {
    const { polled: previous = EMPTY } = this.#previous ?? {};
    const isSame =
      previous.length === tasks.length &&
      previous.every(({ taskId, status }, index) => taskId === tasks[index]!.id && status === tasks[index]!.status);
    this.polled = isSame ? previous : tasks.map(({ id, status }) => ({ taskId: id, status }));
  }

  appendResponseBody(text: string): void {
    if (this.responseBody === '' && this.#previous?.responseBody === text) {
      this.responseBody = this.#previous.responseBody;
      this.log.grow(this, text.length);
      return;
    }
    const remaining = MAX_BODY_BYTES - this.responseBody.length;
    if (text.length > remaining) this.isResponseBodyTruncated = true;
    const retained = text.length > remaining ? redactKey(text, this.#key).slice(0, remaining) : text;
    this.responseBody += retained;
    this.log.grow(this, retained.length);
  }

  /** Records status, error code, headers and duration of a response that is about to be sent. */
  setResponseHead(request: FastifyRequest, reply: FastifyReply): void {
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
    this.deliveredAtSeq = this.log.last!.seq;
  }

  /** Records the end of the request; without `setResponseHead`, the response was lost. */
  setDuration(reply: FastifyReply): void {
    this.durationMs = Math.round(reply.elapsedTime * 10) / 10;
  }
}

/** Returns the ids of all tasks that a request is about. */
export const getTaskIds = ({ submitted, synchronousTaskId, polled, mediaTaskId }: Entry): string[] => [
  ...submitted,
  ...(synchronousTaskId === null ? [] : [synchronousTaskId]),
  ...polled.map(({ taskId }) => taskId),
  ...(mediaTaskId === null ? [] : [mediaTaskId]),
];

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

/** Returns the forms in which a key can occur in a text: plain, and escaped as in JSON and in URLs. */
const getEncodedForms = (key: string): string[] => [
  ...new Set([key, JSON.stringify(key).slice(1, -1), encodeURIComponent(key)]),
];

/** Replaces the key in a text with `[key]`, in all its encoded forms. */
export function redactKey(text: string, key: string): string {
  return getEncodedForms(key).reduce((rest, form) => rest.replaceAll(form, '[key]'), text);
}

/** Copies the start of a text: a slice would keep the whole text in memory. */
const copyPrefix = (text: string) => Buffer.from(text.slice(0, MAX_BODY_BYTES)).toString();

function areEqual(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}
