import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Account } from '../../core/accounts/accounts.ts';
import type { Core } from '../../core/core.ts';
import type { Task } from '../../core/tasks/task.ts';
import { getPathname } from '../urls.ts';
import {
  areEqual,
  copyPrefix,
  createJournalLog,
  EMPTY,
  type Entry,
  findUnknownFields,
  getTaskIds,
  hasUnknownFields,
  type JournalLog,
  MAX_BODY_BYTES,
  redactKey,
} from './entry.ts';

/** Bounds of what is kept: of an account, of all accounts together. */
const MAX_ACCOUNT_BYTES = 8 * 1024 * 1024;
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;
/** Of files, of an account. */
const MAX_MEDIA_ENTRIES = 200;
/** What an entry takes beside its bodies, roughly. */
const ENTRY_BYTES = 2048;

export type Journal = ReturnType<typeof createJournal>;

/**
 * What the client of each account sent and was answered, `mostEntries` of each. In memory, bounded; an account's reset
 * forgets it.
 */
export function createJournal(core: Core, maxEntries: number) {
  const logs = new Map<number, JournalLog>();
  const statuses = new Map<number, number>();
  let unauthorizedCount = 0;
  let totalBytes = 0;
  /** Of all accounts, oldest first; those before `oldest` are gone, others may be. */
  let queue: Entry[] = [];
  let oldest = 0;
  let compactAt = maxEntries * 2;
  core.lifetimes.onEnd((accountId, successorId) => {
    const log = logs.get(accountId);
    if (!log) return;
    logs.delete(accountId);
    if (successorId !== undefined) logs.set(successorId, log);
    else clearLog(log);
  });

  function evict(log: JournalLog): void {
    const entry = log.entries[log.first]!;
    log.first += 1;
    entry.isRetained = false;
    log.bytes -= entry.bytes;
    totalBytes -= entry.bytes;
    // Now and then, because to move all others up each time would cost more than all the rest.
    if (log.first > log.max) {
      log.entries.splice(0, log.first);
      log.first = 0;
    }
  }

  function clearLog(log: JournalLog): void {
    while (log.first < log.entries.length) evict(log);
    if (log.mediaLog) clearLog(log.mediaLog);
  }

  function addBytes(entry: Entry, bytes: number): void {
    if (!entry.isRetained) return;
    const { log } = entry;
    entry.bytes += bytes;
    log.bytes += bytes;
    totalBytes += bytes;
    while (log.entries.length - log.first > log.max || log.bytes > MAX_ACCOUNT_BYTES) evict(log);
    if (totalBytes > MAX_TOTAL_BYTES) evictOldest();
  }

  /** The oldest of all go first, whoever's they are; within its log it is the oldest as well. */
  function evictOldest(): void {
    while (totalBytes > MAX_TOTAL_BYTES && oldest < queue.length) {
      const entry = queue[oldest++]!;
      if (entry.isRetained) evict(entry.log);
    }
  }

  /** Now and then, so that it does not grow with what is gone. */
  function compactQueue(): void {
    queue = queue.slice(oldest).filter(({ isRetained }) => isRetained);
    oldest = 0;
    compactAt = Math.max(maxEntries, queue.length) * 2;
  }

  return {
    /** Opens the entry of a request whose account is known; null when none are kept. `fetched`: whose file it asks for. */
    begin(request: FastifyRequest, account: Account, mediaTaskId: string | null = null): Entry | null {
      if (maxEntries === 0) return null;
      let accountLog = logs.get(account.id);
      if (!accountLog) {
        const mediaLog = createJournalLog(account.key, Math.min(maxEntries, MAX_MEDIA_ENTRIES), null);
        accountLog = createJournalLog(account.key, maxEntries, mediaLog);
        logs.set(account.id, accountLog);
      }
      accountLog.count += 1;
      const log = mediaTaskId === null ? accountLog : accountLog.mediaLog!;
      const previous = log.entries.at(-1) ?? null;
      if (previous) previous.previous = null;
      const { rawHeaders } = request.raw;
      const isSame = previous !== null && areEqual(previous.rawHeaders, rawHeaders);
      const path = getPathname(request);
      const entry: Entry = {
        seq: accountLog.count,
        atMs: core.timeline.nowMs(account),
        method: request.method,
        path: previous?.path === path ? previous.path : path,
        status: null,
        errorCode: null,
        durationMs: null,
        headers: isSame ? previous.headers : request.headers,
        rawHeaders: isSame ? previous.rawHeaders : rawHeaders,
        body: '',
        unknownFields: EMPTY,
        isBodyTruncated: false,
        contentType: undefined,
        limit: undefined,
        remaining: undefined,
        resetSeconds: undefined,
        retryAfterSeconds: undefined,
        responseBody: '',
        isResponseBodyTruncated: false,
        submitted: EMPTY,
        synchronousTaskId: null,
        mediaTaskId,
        polled: EMPTY,
        faults: EMPTY,
        warnings: EMPTY,
        bytes: 0,
        log,
        previous,
        isRetained: true,
      };
      log.entries.push(entry);
      queue.push(entry);
      if (queue.length > compactAt) compactQueue();
      addBytes(entry, ENTRY_BYTES);
      return entry;
    },

    /** A request that is nobody's is counted, no more. */
    countUnauthorized(): void {
      unauthorizedCount += 1;
    },
    /** How many there were of these since the start. */
    getUnauthorizedCount: () => unauthorizedCount,

    /** What was sent, when it is known. */
    recordRequestBody(request: FastifyRequest, entry: Entry): void {
      const { previous } = entry;
      const text = previous?.body === request.state.bodyText ? previous.body : request.state.bodyText;
      entry.isBodyTruncated = text.length > MAX_BODY_BYTES;
      // Before it is cut: a part of the key would not be known again.
      entry.body = entry.isBodyTruncated ? copyPrefix(redactKey(text, entry.log.key)) : text;
      addBytes(entry, entry.body.length);
    },

    /** What the route made of the body: fields that are gone were none of its own. */
    recordUnknownFields(entry: Entry, raw: unknown, known: unknown): void {
      if (hasUnknownFields(raw, known)) entry.unknownFields = findUnknownFields(raw, known);
    },

    /** What a poll told. */
    recordPoll(entry: Entry, tasks: readonly (Task | undefined)[]): void {
      const found = tasks.filter((task) => task !== undefined);
      const { polled: previous = EMPTY } = entry.previous ?? {};
      const isSame =
        previous.length === found.length &&
        previous.every(({ taskId, status }, index) => taskId === found[index]!.id && status === found[index]!.status);
      entry.polled = isSame ? previous : found.map(({ id, status }) => ({ taskId: id, status }));
    },

    /** A piece of the answer's text. */
    appendResponseBody(entry: Entry, text: string): void {
      if (entry.responseBody === '' && entry.previous?.responseBody === text) {
        entry.responseBody = entry.previous.responseBody;
        addBytes(entry, text.length);
        return;
      }
      const remaining = MAX_BODY_BYTES - entry.responseBody.length;
      if (text.length > remaining) entry.isResponseBodyTruncated = true;
      const retained = text.length > remaining ? redactKey(text, entry.log.key).slice(0, remaining) : text;
      entry.responseBody += retained;
      addBytes(entry, retained.length);
    },

    /** Every answer of a known account, where none are kept as well. */
    countResponse(status: number): void {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    },

    /** The answer's head, as it goes out. */
    recordResponseHead(entry: Entry, request: FastifyRequest, reply: FastifyReply): void {
      entry.status = reply.statusCode;
      entry.errorCode = request.state.errorCode;
      entry.contentType = reply.getHeader('content-type') as string | undefined;
      entry.limit = reply.getHeader('x-ratelimit-limit') as number | undefined;
      entry.remaining = reply.getHeader('x-ratelimit-remaining') as number | undefined;
      entry.resetSeconds = reply.getHeader('x-ratelimit-reset') as number | undefined;
      if (entry.status === 429) entry.retryAfterSeconds = reply.getHeader('retry-after') as number | undefined;
      entry.durationMs = Math.round(reply.elapsedTime * 10) / 10;
    },

    /** No answer came for as long as somebody waited. */
    recordAborted(entry: Entry, reply: FastifyReply): void {
      entry.durationMs = Math.round(reply.elapsedTime * 10) / 10;
    },

    /** How many answers there were of each status, since the start. */
    getResponseCounts: (): [status: number, count: number][] => [...statuses].sort(([one], [other]) => one - other),
    /** For who listens. */
    summarize: (entry: Entry) => {
      const { seq, method, path, status, errorCode } = entry;
      return { id: String(seq), method, path, status, errorCode, taskIds: getTaskIds(entry) };
    },

    /** Oldest first. */
    listEntries(accountId: number): readonly Entry[] {
      const log = logs.get(accountId);
      if (!log) return [];
      const entries = log.entries.slice(log.first);
      const mediaEntries = log.mediaLog!.entries.slice(log.mediaLog!.first);
      return mediaEntries.length === 0
        ? entries
        : [...entries, ...mediaEntries].sort((one, other) => one.seq - other.seq);
    },
    clear(accountId: number): void {
      const log = logs.get(accountId);
      if (log) clearLog(log);
    },
  };
}
