import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Account } from '../../core/accounts/accounts.ts';
import type { Core } from '../../core/core.ts';
import type { Task } from '../../core/tasks/task.ts';
import { pathOf } from '../path.ts';
import {
  areEqual,
  beginningOf,
  type Entry,
  emptyLog,
  hasUnknown,
  type Log,
  MOST_BODY_BYTES,
  NONE,
  taskIdsOf,
  unknownFields,
  withoutKey,
} from './entry.ts';

/** Bounds of what is kept: of an account, of all accounts together. */
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_BYTES_IN_ALL = 64 * 1024 * 1024;
/** Of files, of an account. */
const MOST_FETCHES = 200;
/** What an entry takes beside its bodies, roughly. */
const ENTRY_BYTES = 2048;

export type Journal = ReturnType<typeof createJournal>;

/**
 * What the client of each account sent and was answered, `mostEntries` of each. In memory, bounded; an account's reset
 * forgets it.
 */
export function createJournal(core: Core, mostEntries: number) {
  const logs = new Map<number, Log>();
  const statuses = new Map<number, number>();
  let strangers = 0;
  let bytesInAll = 0;
  /** Of all accounts, oldest first; those before `oldest` are gone, others may be. */
  let queue: Entry[] = [];
  let oldest = 0;
  let tidyAt = mostEntries * 2;
  core.lives.listen((accountId, successorId) => {
    const log = logs.get(accountId);
    if (!log) return;
    logs.delete(accountId);
    if (successorId !== undefined) logs.set(successorId, log);
    else empty(log);
  });

  function drop(log: Log): void {
    const entry = log.entries[log.first]!;
    log.first += 1;
    entry.isKept = false;
    log.bytes -= entry.bytes;
    bytesInAll -= entry.bytes;
    // Now and then, because to move all others up each time would cost more than all the rest.
    if (log.first > log.most) {
      log.entries.splice(0, log.first);
      log.first = 0;
    }
  }

  function empty(log: Log): void {
    while (log.first < log.entries.length) drop(log);
    if (log.fetches) empty(log.fetches);
  }

  function grow(entry: Entry, bytes: number): void {
    if (!entry.isKept) return;
    const { log } = entry;
    entry.bytes += bytes;
    log.bytes += bytes;
    bytesInAll += bytes;
    while (log.entries.length - log.first > log.most || log.bytes > MOST_BYTES) drop(log);
    if (bytesInAll > MOST_BYTES_IN_ALL) makeRoom();
  }

  /** The oldest of all go first, whoever's they are; within its log it is the oldest as well. */
  function makeRoom(): void {
    while (bytesInAll > MOST_BYTES_IN_ALL && oldest < queue.length) {
      const entry = queue[oldest++]!;
      if (entry.isKept) drop(entry.log);
    }
  }

  /** Now and then, so that it does not grow with what is gone. */
  function tidyQueue(): void {
    queue = queue.slice(oldest).filter(({ isKept }) => isKept);
    oldest = 0;
    tidyAt = Math.max(mostEntries, queue.length) * 2;
  }

  return {
    /** Opens the entry of a request whose account is known; null when none are kept. `fetched`: whose file it asks for. */
    begin(request: FastifyRequest, account: Account, fetched: string | null = null): Entry | null {
      if (mostEntries === 0) return null;
      let own = logs.get(account.id);
      if (!own) {
        const fetches = emptyLog(account.key, Math.min(mostEntries, MOST_FETCHES), null);
        own = emptyLog(account.key, mostEntries, fetches);
        logs.set(account.id, own);
      }
      own.count += 1;
      const log = fetched === null ? own : own.fetches!;
      const before = log.entries.at(-1) ?? null;
      if (before) before.like = null;
      const { rawHeaders } = request.raw;
      const isSame = before !== null && areEqual(before.rawHeaders, rawHeaders);
      const path = pathOf(request);
      const entry: Entry = {
        seq: own.count,
        atMs: core.timeline.nowMs(account),
        method: request.method,
        path: before?.path === path ? before.path : path,
        status: null,
        errorCode: null,
        durationMs: null,
        headers: isSame ? before.headers : request.headers,
        rawHeaders: isSame ? before.rawHeaders : rawHeaders,
        body: '',
        unknownFields: NONE,
        bodyIsCut: false,
        contentType: undefined,
        limit: undefined,
        remaining: undefined,
        resetSeconds: undefined,
        retryAfterSeconds: undefined,
        answer: '',
        answerIsCut: false,
        submitted: NONE,
        worked: null,
        fetched,
        polled: NONE,
        faults: NONE,
        warnings: NONE,
        bytes: 0,
        log,
        like: before,
        isKept: true,
      };
      log.entries.push(entry);
      queue.push(entry);
      if (queue.length > tidyAt) tidyQueue();
      grow(entry, ENTRY_BYTES);
      return entry;
    },

    /** A request that is nobody's is counted, no more. */
    refuse(): void {
      strangers += 1;
    },
    /** How many there were of these since the start. */
    refused: () => strangers,

    /** What was sent, when it is known. */
    body(request: FastifyRequest, entry: Entry): void {
      const { like } = entry;
      const text = like?.body === request.bodyText ? like.body : request.bodyText;
      entry.bodyIsCut = text.length > MOST_BODY_BYTES;
      // Before it is cut: a part of the key would not be known again.
      entry.body = entry.bodyIsCut ? beginningOf(withoutKey(text, entry.log.key)) : text;
      grow(entry, entry.body.length);
    },

    /** What the route made of the body: fields that are gone were none of its own. */
    understood(entry: Entry, sent: unknown, known: unknown): void {
      if (hasUnknown(sent, known)) entry.unknownFields = unknownFields(sent, known);
    },

    /** What a poll told. */
    polled(entry: Entry, tasks: readonly (Task | undefined)[]): void {
      const told = tasks.filter((task) => task !== undefined);
      const { polled: before = NONE } = entry.like ?? {};
      const isSame =
        before.length === told.length &&
        before.every(
          ({ taskId, status }, place) => taskId === told[place]!.id && status === told[place]!.status,
        );
      entry.polled = isSame ? before : told.map(({ id, status }) => ({ taskId: id, status }));
    },

    /** A piece of the answer's text. */
    answered(entry: Entry, text: string): void {
      if (entry.answer === '' && entry.like?.answer === text) {
        entry.answer = entry.like.answer;
        grow(entry, text.length);
        return;
      }
      const room = MOST_BODY_BYTES - entry.answer.length;
      if (text.length > room) entry.answerIsCut = true;
      const kept = text.length > room ? withoutKey(text, entry.log.key).slice(0, room) : text;
      entry.answer += kept;
      grow(entry, kept.length);
    },

    /** Every answer of a known account, where none are kept as well. */
    count(status: number): void {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    },

    /** The answer's head, as it goes out. */
    head(entry: Entry, request: FastifyRequest, reply: FastifyReply): void {
      entry.status = reply.statusCode;
      entry.errorCode = request.errorCode;
      entry.contentType = reply.getHeader('content-type') as string | undefined;
      entry.limit = reply.getHeader('x-ratelimit-limit') as number | undefined;
      entry.remaining = reply.getHeader('x-ratelimit-remaining') as number | undefined;
      entry.resetSeconds = reply.getHeader('x-ratelimit-reset') as number | undefined;
      if (entry.status === 429)
        entry.retryAfterSeconds = reply.getHeader('retry-after') as number | undefined;
      entry.durationMs = Math.round(reply.elapsedTime * 10) / 10;
    },

    /** No answer came for as long as somebody waited. */
    lost(entry: Entry, reply: FastifyReply): void {
      entry.durationMs = Math.round(reply.elapsedTime * 10) / 10;
    },

    /** How many answers there were of each status, since the start. */
    counts: (): [status: number, count: number][] => [...statuses].sort(([one], [other]) => one - other),
    /** For who listens. */
    summary: (entry: Entry) => {
      const { seq, method, path, status, errorCode } = entry;
      return { id: String(seq), method, path, status, errorCode, taskIds: taskIdsOf(entry) };
    },

    /** Oldest first. */
    entriesOf(accountId: number): readonly Entry[] {
      const log = logs.get(accountId);
      if (!log) return [];
      const entries = log.entries.slice(log.first);
      const fetches = log.fetches!.entries.slice(log.fetches!.first);
      return fetches.length === 0
        ? entries
        : [...entries, ...fetches].sort((one, other) => one.seq - other.seq);
    },
    clear(accountId: number): void {
      const log = logs.get(accountId);
      if (log) empty(log);
    },
  };
}
