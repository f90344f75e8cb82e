import type { FastifyRequest } from 'fastify';
import type { TaskStatus } from '../../core/tasks/task.ts';

/** One body is kept so far. */
export const MOST_BODY_BYTES = 16 * 1024;

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
  bodyIsCut: boolean;
  /** What the answer's own headers are made of. */
  contentType: string | undefined;
  limit: number | undefined;
  remaining: number | undefined;
  resetSeconds: number | undefined;
  retryAfterSeconds: number | undefined;
  answer: string;
  answerIsCut: boolean;
  /** The tasks it made, in the order they were made. */
  submitted: readonly string[];
  /** The task that its answer was. */
  worked: string | null;
  /** The task whose file it asked for. */
  fetched: string | null;
  /** What a poll told of its tasks. */
  polled: readonly { taskId: string; status: TaskStatus }[];
  /** What was made to go wrong, as the rule's id or in the directive's words. */
  faults: readonly string[];
  warnings: readonly string[];
  bytes: number;
  log: Log;
  /**
   * The one before it, while it comes about. Clients that poll say and hear the same again and again: texts that are equal
   * are kept once, which spares the garbage collector nearly all of what a journal costs it.
   */
  like: Entry | null;
  /** False when it had to make room. */
  isKept: boolean;
}

export const NONE: readonly never[] = [];

/** Every task that a request concerned. */
export const taskIdsOf = ({ submitted, worked, polled, fetched }: Entry): string[] => [
  ...submitted,
  ...(worked === null ? [] : [worked]),
  ...polled.map(({ taskId }) => taskId),
  ...(fetched === null ? [] : [fetched]),
];

/** The answer's own headers, without those that the protocol adds. */
export function answerHeadersOf(entry: Entry): Record<string, string | number> {
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
const formsOf = (key: string): string[] => [
  ...new Set([key, JSON.stringify(key).slice(1, -1), encodeURIComponent(key)]),
];

/** The text with `[key]` wherever the key stood. */
export function withoutKey(text: string, key: string): string {
  return formsOf(key).reduce((rest, form) => rest.replaceAll(form, '[key]'), text);
}

export interface Log {
  key: string;
  /** How many it may have. */
  most: number;
  /** Fetches of files are kept apart, because a player makes so many that they would drive out all the rest. */
  fetches: Log | null;
  /** Those before `first` have made room. */
  entries: Entry[];
  first: number;
  /** Of this log and of that of the fetches. */
  count: number;
  bytes: number;
}

export const emptyLog = (key: string, most: number, fetches: Log | null): Log => ({
  ...{ key, most, fetches },
  ...{ entries: [], first: 0, count: 0, bytes: 0 },
});

/** A copy: a part of a text would keep the whole of it in memory. */
export const beginningOf = (text: string) => Buffer.from(text.slice(0, MOST_BODY_BYTES)).toString();

export function areEqual(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let place = 0; place < one.length; place++) if (one[place] !== other[place]) return false;
  return true;
}

/** The look that most requests need no more than. */
export function hasUnknown(sent: unknown, known: unknown): boolean {
  if (typeof sent !== 'object' || sent === null || typeof known !== 'object' || known === null) return false;
  for (const field in sent) {
    if (!(field in known)) return true;
    const value = (sent as Record<string, unknown>)[field];
    if (typeof value === 'object' && hasUnknown(value, (known as Record<string, unknown>)[field]))
      return true;
  }
  return false;
}

/** The paths in `sent` that are missing from `known`. */
export function unknownFields(sent: unknown, known: unknown, path = ''): string[] {
  if (Array.isArray(sent) && Array.isArray(known)) {
    return sent.flatMap((item, index) => unknownFields(item, known[index], `${path}[${index}]`));
  }
  if (!isObject(sent) || !isObject(known)) return [];
  return Object.entries(sent).flatMap(([field, value]) => {
    const at = path ? `${path}.${field}` : field;
    return field in known ? unknownFields(value, known[field], at) : [at];
  });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
