import type { FastifyRequest } from 'fastify';
import type { Account } from '../../core/accounts/accounts.ts';
import type { Core } from '../../core/core.ts';
import { accountTimeMs } from '../../core/time/clock.ts';
import { getMaxEncodedLength } from '../redaction.ts';
import { BoundedLog, LogGroup } from './bounded-log.ts';
import { Entry, getTaskIds } from './entry.ts';
import { type RefusalReason, UnauthorizedLog } from './unauthorized-log.ts';

/** Maximum size of each log of an account. */
const MAX_LOG_BYTES = 8 * 1024 * 1024;
/** Maximum number of requests for result files, per account. */
const MAX_MEDIA_ENTRIES = 200;

export type Journal = ReturnType<typeof createJournal>;

interface AccountLogs {
  accountId: number;
  /** See `EntryOptions`. */
  marginLength: number;
  /** Number of requests so far, evicted ones included. */
  count: number;
  /** Wall time of the latest request; null before the first one. */
  lastWallMs: number | null;
  requests: BoundedLog<Entry>;
  /** Requests for result files. Video players send so many that they would evict all others. */
  media: BoundedLog<Entry>;
}

/**
 * Records the requests of each account with their responses, at most `maxEntries` per account, in memory. A reset of
 * the account clears its journal.
 */
export function createJournal(core: Core, maxEntries: number) {
  const logs = new Map<number, AccountLogs>();
  const group = new LogGroup(core.memory, MAX_LOG_BYTES);
  const logsOf = new WeakMap<object, AccountLogs>();
  const responseCounts = new Map<number, number>();
  const unauthorized = new UnauthorizedLog();
  core.lifetimes.onEnd((accountId, successor, keepsHistory) => {
    const accountLogs = logs.get(accountId);
    if (!accountLogs) return;
    logs.delete(accountId);
    if (successor && keepsHistory) {
      accountLogs.accountId = successor.id;
      logs.set(successor.id, accountLogs);
    } else clearLogs(accountLogs);
  });

  function createLogs({ id, key }: Account): AccountLogs {
    const requests = new BoundedLog<Entry>(group, maxEntries);
    const media = new BoundedLog<Entry>(group, Math.min(maxEntries, MAX_MEDIA_ENTRIES));
    const accountLogs = {
      ...{ accountId: id, marginLength: getMaxEncodedLength(key), count: 0, lastWallMs: null, requests, media },
    };
    logs.set(id, accountLogs);
    for (const log of [requests, media]) logsOf.set(log, accountLogs);
    return accountLogs;
  }

  function clearLogs({ requests, media }: AccountLogs): void {
    requests.clear();
    media.clear();
  }

  return {
    /**
     * Adds an entry for a request of the account. Returns null when the journal is off.
     * @param mediaTaskId The task whose file the request is for
     */
    begin(request: FastifyRequest, account: Account, mediaTaskId: string | null = null): Entry | null {
      if (maxEntries === 0) return null;
      const accountLogs = logs.get(account.id) ?? createLogs(account);
      accountLogs.count += 1;
      const { marginLength, count: seq, requests, media } = accountLogs;
      const log = mediaTaskId === null ? requests : media;
      const wallMs = core.clock.nowMs();
      const atMs = accountTimeMs(account, wallMs);
      accountLogs.lastWallMs = wallMs;
      return new Entry(request, { log, marginLength, seq, atMs, wallMs, mediaTaskId });
    },

    /** Records a request without a valid key, which has no entry; when the journal is off, it is only counted. */
    recordUnauthorized(request: FastifyRequest, key: string | undefined, reason: RefusalReason): void {
      unauthorized.add(request, core.clock.nowMs(), key, reason, maxEntries > 0);
    },
    /** Returns the number of requests without a valid key since the start. */
    getUnauthorizedCount: () => unauthorized.count,
    /** Returns the latest requests without a valid key, newest first. */
    listUnauthorized: () => unauthorized.list(),
    clearUnauthorized: () => unauthorized.clear(),

    /** Counts a response to an authenticated request, even when the journal is off. */
    countResponse(status: number): void {
      responseCounts.set(status, (responseCounts.get(status) ?? 0) + 1);
    },

    /** Returns the number of responses by status since the start. */
    getResponseCounts: (): [status: number, count: number][] =>
      [...responseCounts].sort(([one], [other]) => one - other),

    /** Returns the detail of a `request` event. */
    summarize: (entry: Entry) => {
      const { seq, method, path, status, errorCode } = entry;
      return { id: String(seq), method, path, status, errorCode, taskIds: getTaskIds(entry) };
    },

    /** Returns the entries of an account with a `seq` above `after`, oldest first. */
    listEntries(accountId: number, after = 0): readonly Entry[] {
      const accountLogs = logs.get(accountId);
      if (!accountLogs) return [];
      const isKnown = after === 0 ? undefined : ({ seq }: Entry) => seq <= after;
      const entries = accountLogs.requests.list(isKnown);
      const mediaEntries = accountLogs.media.list(isKnown);
      if (mediaEntries.length === 0) return entries;
      return [...entries, ...mediaEntries].sort((one, other) => one.seq - other.seq);
    },

    /** Returns how often each account was used, and when last. */
    listUses: (): Pick<AccountLogs, 'accountId' | 'count' | 'lastWallMs'>[] => [...logs.values()],

    /** Returns the latest entries of all accounts, newest first. */
    listLatest(limit: number): { accountId: number; entry: Entry }[] {
      return group.listNewest(limit).flatMap((entry) => {
        const accountLogs = logsOf.get(entry.log);
        return accountLogs ? [{ accountId: accountLogs.accountId, entry: entry as Entry }] : [];
      });
    },

    clear(accountId: number): void {
      const accountLogs = logs.get(accountId);
      if (accountLogs) clearLogs(accountLogs);
    },
  };
}
