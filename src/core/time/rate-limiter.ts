import type { Db } from '../storage/database.ts';
import type { Transactions } from '../storage/transactions.ts';

export const WINDOW_MS = 3_600_000;

interface Window {
  startedAtMs: number;
  count: number;
}

export interface Hit {
  /** Requests in this window, this one included. */
  count: number;
  /** Until the window ends, on the account's clock. */
  leftMs: number;
}

export type RateLimiter = ReturnType<typeof createRateLimiter>;

/**
 * Fixed windows of an hour on the account's clock, each begun by its first counted request; requests past the limit
 * count too but never lengthen it. Counts live in memory, because a poll should not cost a write; `save` writes down
 * those that have changed, from time to time and at an orderly stop.
 */
export function createRateLimiter(db: Db, transactions: Transactions) {
  const windows = new Map<number, Window>();
  /** Accounts whose window is not as it was written down. */
  let dirty = new Set<number>();
  const load = db.prepare<[], Window & { accountId: number }>(
    'SELECT account_id AS accountId, started_at AS startedAtMs, count FROM rate_windows',
  );
  const deleteWindow = db.prepare<[number]>('DELETE FROM rate_windows WHERE account_id = ?');
  const upsertWindow = db.prepare<Window & { accountId: number }>(
    `INSERT INTO rate_windows (account_id, started_at, count)
     SELECT id, @startedAtMs, @count FROM accounts WHERE id = @accountId
     ON CONFLICT DO UPDATE SET started_at = excluded.started_at, count = excluded.count`,
  );

  function findCurrent(accountId: number, nowMs: number): Window | undefined {
    const window = windows.get(accountId);
    // A wall clock that was set back must not lock an account out for longer than an hour.
    const isRunning = window && nowMs < window.startedAtMs + WINDOW_MS && nowMs >= window.startedAtMs;
    return isRunning ? window : undefined;
  }

  const writeWindows = transactions.exclusive((accountIds: ReadonlySet<number>) => {
    for (const accountId of accountIds) {
      const window = windows.get(accountId);
      if (window) upsertWindow.run({ accountId, ...window });
      else deleteWindow.run(accountId);
    }
  });

  return {
    /** Counts one request. */
    hit(accountId: number, nowMs: number): Hit {
      let window = findCurrent(accountId, nowMs);
      if (!window) {
        window = { startedAtMs: nowMs, count: 0 };
        windows.set(accountId, window);
      }
      window.count += 1;
      dirty.add(accountId);
      return { count: window.count, leftMs: window.startedAtMs + WINDOW_MS - nowMs };
    },

    /** What `hit` would build on, without counting. */
    peek(accountId: number, nowMs: number): { count: number; resetAtMs: number | null } {
      const window = findCurrent(accountId, nowMs);
      return { count: window?.count ?? 0, resetAtMs: window ? window.startedAtMs + WINDOW_MS : null };
    },

    /** Puts the count of the window that runs, or of one that begins now. */
    set(accountId: number, count: number, nowMs: number): void {
      dirty.add(accountId);
      const window = findCurrent(accountId, nowMs);
      if (count === 0) windows.delete(accountId);
      else windows.set(accountId, { startedAtMs: window?.startedAtMs ?? nowMs, count });
    },

    /** Gives another account the window of this one. */
    copy(fromId: number, toId: number): void {
      dirty.add(toId);
      const window = windows.get(fromId);
      if (window) windows.set(toId, { ...window });
      else windows.delete(toId);
    },

    /** The account is gone, and what was written down of it as well. */
    clear(accountId: number): void {
      windows.delete(accountId);
      dirty.delete(accountId);
    },

    /** Takes up the counts that were written down. */
    restore() {
      for (const { accountId, ...window } of load.all()) windows.set(accountId, window);
    },

    save(): void {
      if (dirty.size > 0) writeWindows(dirty);
      dirty = new Set();
    },
  };
}
