import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import type { Core } from '../core/core.ts';
import type { TaskStatus } from '../core/task.ts';
import { pathOf } from './path.ts';

/** Bounds of what is kept: of an account, of all accounts together, of one body. */
const MOST_ENTRIES = 1000;
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_BYTES_IN_ALL = 64 * 1024 * 1024;
export const MOST_BODY_BYTES = 16 * 1024;
/** What an entry takes beside its bodies, roughly. */
const ENTRY_BYTES = 2048;

/** A request as it was seen, kept as it is until somebody wants to read it. */
export interface Entry {
  id: string;
  /** On the account's clock. */
  atMs: number;
  method: string;
  path: string;
  /** Null: no answer was given, or not yet. */
  status: number | null;
  errorCode: string | null;
  durationMs: number | null;
  headers: FastifyRequest['headers'];
  body: unknown;
  /** Fields of the body that the route does not know. */
  unknownFields: readonly string[];
  bodyIsCut: boolean;
  answerHeaders: Record<string, unknown>;
  answer: string;
  answerIsCut: boolean;
  taskIds: readonly string[];
  /** Those of `taskIds` that it made, in the order they were made. */
  submitted: readonly string[];
  /** What a poll told of its tasks. */
  polled: readonly { taskId: string; status: TaskStatus }[];
  /** What was made to go wrong, as the rule's id or in the directive's words. */
  faults: readonly string[];
  warnings: readonly string[];
  bytes: number;
  /** False when it had to make room. */
  isKept: boolean;
}

const NONE: readonly never[] = [];
const NO_HEADERS = {};

interface Log {
  entries: Entry[];
  count: number;
  bytes: number;
}

export type Journal = ReturnType<typeof createJournal>;

/** What the client of each account sent and was answered. In memory, bounded; an account's reset forgets it. */
export function createJournal(core: Core) {
  const logs = new Map<number, Log>();
  const statuses = new Map<number, number>();
  let bytesInAll = 0;
  core.lives.listen((accountId, successorId) => {
    const log = logs.get(accountId);
    if (!log) return;
    logs.delete(accountId);
    if (successorId !== undefined) logs.set(successorId, log);
    else bytesInAll -= log.bytes;
  });

  function drop(log: Log): void {
    const oldest = log.entries.shift()!;
    oldest.isKept = false;
    log.bytes -= oldest.bytes;
    bytesInAll -= oldest.bytes;
  }

  function grow(log: Log, entry: Entry, bytes: number): void {
    if (!entry.isKept) return;
    entry.bytes += bytes;
    log.bytes += bytes;
    bytesInAll += bytes;
    while (log.entries.length > MOST_ENTRIES || log.bytes > MOST_BYTES) drop(log);
    for (const other of logs.values()) {
      while (bytesInAll > MOST_BYTES_IN_ALL && other.entries.length > 0) drop(other);
      if (bytesInAll <= MOST_BYTES_IN_ALL) break;
    }
  }

  return {
    /** Opens the entry of a request whose account is known. */
    begin(request: FastifyRequest, account: Account): Entry {
      let log = logs.get(account.id);
      if (!log) {
        log = { entries: [], count: 0, bytes: 0 };
        logs.set(account.id, log);
      }
      log.count += 1;
      const entry: Entry = {
        id: String(log.count),
        atMs: core.timeline.nowMs(account),
        method: request.method,
        path: pathOf(request),
        status: null,
        errorCode: null,
        durationMs: null,
        headers: request.headers,
        body: undefined,
        unknownFields: NONE,
        bodyIsCut: false,
        answerHeaders: NO_HEADERS,
        answer: '',
        answerIsCut: false,
        taskIds: NONE,
        submitted: NONE,
        polled: NONE,
        faults: NONE,
        warnings: NONE,
        bytes: 0,
        isKept: true,
      };
      log.entries.push(entry);
      grow(log, entry, ENTRY_BYTES);
      return entry;
    },

    /** What was sent, when it is known. */
    body(request: FastifyRequest, entry: Entry): void {
      const log = logs.get(request.account!.id);
      const bytes = request.bodyBytes;
      entry.body = request.body;
      if (bytes > MOST_BODY_BYTES) {
        entry.body = JSON.stringify(request.body)?.slice(0, MOST_BODY_BYTES);
        entry.bodyIsCut = true;
      }
      if (log) grow(log, entry, Math.min(bytes, MOST_BODY_BYTES));
    },

    /** What the route made of the body: fields that are gone were none of its own. Not told of bodies that were cut. */
    understood(entry: Entry, known: unknown): void {
      if (!entry.bodyIsCut && hasUnknown(entry.body, known))
        entry.unknownFields = unknownFields(entry.body, known);
    },

    /** A piece of the answer's text. */
    answered(request: FastifyRequest, entry: Entry, text: string): void {
      const log = logs.get(request.account!.id);
      const room = MOST_BODY_BYTES - entry.answer.length;
      if (text.length > room) entry.answerIsCut = true;
      const kept = text.length > room ? text.slice(0, room) : text;
      entry.answer += kept;
      if (log) grow(log, entry, kept.length);
    },

    /** The answer's head, as it goes out. */
    head(entry: Entry, request: FastifyRequest, reply: FastifyReply): void {
      entry.status = reply.statusCode;
      statuses.set(entry.status, (statuses.get(entry.status) ?? 0) + 1);
      entry.errorCode = request.errorCode;
      entry.answerHeaders = headersOf(reply);
      entry.durationMs = Math.round(reply.elapsedTime * 10) / 10;
    },

    /** How many answers there were of each status, since the start. */
    counts: (): [status: number, count: number][] => [...statuses].sort(([one], [other]) => one - other),
    /** For who listens. */
    summary: ({ id, method, path, status, errorCode, taskIds }: Entry) => ({
      ...{ id, method, path, status, errorCode, taskIds },
    }),

    entriesOf: (accountId: number): readonly Entry[] => logs.get(accountId)?.entries ?? [],
    clear(accountId: number): void {
      const log = logs.get(accountId);
      while (log && log.entries.length > 0) drop(log);
    },
  };
}

const SHOWN_HEADERS = [
  'content-type',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'retry-after',
  'allow',
  'cache-control',
];

/** The answer's own headers, without those that the protocol adds. Quicker than `getHeaders`, which copies them twice. */
function headersOf(reply: FastifyReply): Record<string, unknown> {
  const headers: Record<string, unknown> = {};
  for (const name of SHOWN_HEADERS) {
    const value = reply.getHeader(name);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

/** The look that most requests need no more than. */
function hasUnknown(sent: unknown, known: unknown): boolean {
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
function unknownFields(sent: unknown, known: unknown, path = ''): string[] {
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
