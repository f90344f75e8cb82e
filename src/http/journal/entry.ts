import type { FastifyRequest } from 'fastify';
import type { TaskStatus } from '../../core/tasks/task.ts';

/** One body is kept so far. */
export const MAX_BODY_BYTES = 16 * 1024;

/** A request as it was seen, kept as it is until somebody wants to read it. */
export interface Entry {
  /** Its place among the account's requests, from 1. */
  seq: number;
  /** On the account's clock. */
  atMs: number;
  method: string;
  path: string;
  /** Null: no answer was given, or not yet. */
  status: number | null;
  errorCode: string | null;
  /** Null: somebody still waits for the answer. */
  durationMs: number | null;
  headers: FastifyRequest['headers'];
  /** As they came, name after name and value after value. */
  rawHeaders: readonly string[];
  /** As it came in, the beginning of it where it was long. */
  body: string;
  /** Fields of the body that the route does not know. */
  unknownFields: readonly string[];
  isBodyTruncated: boolean;
  /** What the answer's own headers are made of. */
  contentType: string | undefined;
  limit: number | undefined;
  remaining: number | undefined;
  resetSeconds: number | undefined;
  retryAfterSeconds: number | undefined;
  responseBody: string;
  isResponseBodyTruncated: boolean;
  /** The tasks it made, in the order they were made. */
  submitted: readonly string[];
  /** The task that its answer was. */
  synchronousTaskId: string | null;
  /** The task whose file it asked for. */
  mediaTaskId: string | null;
  /** What a poll told of its tasks. */
  polled: readonly { taskId: string; status: TaskStatus }[];
  /** What was made to go wrong, as the rule's id or in the directive's words. */
  faults: readonly string[];
  warnings: readonly string[];
  bytes: number;
  log: JournalLog;
  /**
   * The one before it, while it comes about. Clients that poll say and hear the same again and again: texts that are equal
   * are kept once, which spares the garbage collector nearly all of what a journal costs it.
   */
  previous: Entry | null;
  /** False when it had to make room. */
  isRetained: boolean;
}

export const EMPTY: readonly never[] = [];

/** Every task that a request concerned. */
export const getTaskIds = ({ submitted, synchronousTaskId, polled, mediaTaskId }: Entry): string[] => [
  ...submitted,
  ...(synchronousTaskId === null ? [] : [synchronousTaskId]),
  ...polled.map(({ taskId }) => taskId),
  ...(mediaTaskId === null ? [] : [mediaTaskId]),
];

/** The answer's own headers, without those that the protocol adds. */
export function toResponseHeaders(entry: Entry): Record<string, string | number> {
  const headers = {
    'x-ratelimit-limit': entry.limit,
    'x-ratelimit-remaining': entry.remaining,
    'x-ratelimit-reset': entry.resetSeconds,
    'retry-after': entry.retryAfterSeconds,
    'content-type': entry.contentType,
  };
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as never;
}

/** The ways in which a key can stand in a text. */
const getEncodedForms = (key: string): string[] => [
  ...new Set([key, JSON.stringify(key).slice(1, -1), encodeURIComponent(key)]),
];

/** The text with `[key]` wherever the key stood. */
export function redactKey(text: string, key: string): string {
  return getEncodedForms(key).reduce((rest, form) => rest.replaceAll(form, '[key]'), text);
}

export interface JournalLog {
  key: string;
  /** How many it may have. */
  max: number;
  /** Fetches of files are kept apart, because a player makes so many that they would drive out all the rest. */
  mediaLog: JournalLog | null;
  /** Those before `first` have made room. */
  entries: Entry[];
  first: number;
  /** Of this log and of that of the fetches. */
  count: number;
  bytes: number;
}

export const createJournalLog = (key: string, max: number, mediaLog: JournalLog | null): JournalLog => ({
  ...{ key, max, mediaLog },
  ...{ entries: [], first: 0, count: 0, bytes: 0 },
});

/** A copy: a part of a text would keep the whole of it in memory. */
export const copyPrefix = (text: string) => Buffer.from(text.slice(0, MAX_BODY_BYTES)).toString();

export function areEqual(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}

/** The look that most requests need no more than. */
export function hasUnknownFields(raw: unknown, known: unknown): boolean {
  if (typeof raw !== 'object' || raw === null || typeof known !== 'object' || known === null) return false;
  for (const field in raw) {
    if (!(field in known)) return true;
    const value = (raw as Record<string, unknown>)[field];
    if (typeof value === 'object' && hasUnknownFields(value, (known as Record<string, unknown>)[field])) return true;
  }
  return false;
}

/** The paths in `sent` that are missing from `known`. */
export function findUnknownFields(raw: unknown, known: unknown, path = ''): string[] {
  if (Array.isArray(raw) && Array.isArray(known)) {
    return raw.flatMap((item, index) => findUnknownFields(item, known[index], `${path}[${index}]`));
  }
  if (!isObject(raw) || !isObject(known)) return [];
  return Object.entries(raw).flatMap(([field, value]) => {
    const fieldPath = path ? `${path}.${field}` : field;
    return field in known ? findUnknownFields(value, known[field], fieldPath) : [fieldPath];
  });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
