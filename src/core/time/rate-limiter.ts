import type { Db } from '../storage/database.ts';
import type { Transactions } from '../storage/transactions.ts';

/** One hour. */
export const WINDOW_MS = 3_600_000;

/** The counted requests of one hour. */
export interface RateWindow {
  startedAtMs: number;
  count: number;
}

/**
 * The largest count, which further requests do not increase: one more than the highest limit, so that an exported count
 * is always in the range that an import accepts.
 */
export const MAX_WINDOW_COUNT = 1_000_000_001;

/**
 * Whether the hour of a window contains this time. A clock that was set back must not lock an account out for more than
 * an hour.
 */
export const isCurrent = ({ startedAtMs }: RateWindow, nowMs: number): boolean =>
  nowMs >= startedAtMs && nowMs < startedAtMs + WINDOW_MS;

export type RateLimiter = ReturnType<typeof createRateLimiter>;

/**
 * The hourly rate limiter: fixed windows of one hour on the account's clock. A window starts with its first counted
 * request; requests over the limit are counted as well but never extend it. Counts are kept in memory so that a poll
 * costs no write; `save` persists the changed ones, at intervals and at a graceful shutdown.
 */
export function createRateLimiter(db: Db, transactions: Transactions) {
  /** Windows by account, read on first use; undefined for accounts without one. */
  const windows = new Map<number, RateWindow | undefined>();
  /** Accounts whose window has changed since the last `save`. */
  let dirty = new Set<number>();
  const load = db.prepare<[number], RateWindow>(
    'SELECT started_at AS startedAtMs, count FROM rate_windows WHERE account_id = ?',
  );
  const upsertWindow = db.prepare<RateWindow & { accountId: number }>(
    `INSERT INTO rate_windows (account_id, started_at, count)
     SELECT id, @startedAtMs, @count FROM accounts WHERE id = @accountId
     ON CONFLICT DO UPDATE SET started_at = excluded.started_at, count = excluded.count`,
  );
  const copyWindow = db.prepare<{ fromId: number; toId: number }>(
    `INSERT INTO rate_windows (account_id, started_at, count)
     SELECT @toId, started_at, count FROM rate_windows WHERE account_id = @fromId`,
  );

  function find(accountId: number): RateWindow | undefined {
    if (!windows.has(accountId)) windows.set(accountId, load.get(accountId));
    return windows.get(accountId);
  }

  function findCurrent(accountId: number, nowMs: number): RateWindow | undefined {
    const window = find(accountId);
    return window && isCurrent(window, nowMs) ? window : undefined;
  }

  const writeWindows = transactions.exclusive((accountIds: ReadonlySet<number>) => {
    for (const accountId of accountIds) {
      const window = windows.get(accountId);
      if (window) upsertWindow.run({ accountId, ...window });
    }
  });

  /** Persists the windows that have changed since the last call. */
  function save(): void {
    const saved = dirty;
    if (saved.size === 0) return;
    writeWindows(saved);
    dirty = new Set();
    transactions.undoOnRollback(() => {
      for (const accountId of saved) dirty.add(accountId);
    });
  }

  /** Replaces and persists a window, unless the running transaction is rolled back. */
  function setWindow(accountId: number, window: RateWindow): void {
    const previous = find(accountId);
    transactions.undoOnRollback(() => windows.set(accountId, previous));
    windows.set(accountId, window);
    dirty.add(accountId);
    save();
  }

  return {
    /** Counts one request. Returns the count, which includes it, and the time until the window ends. */
    hit(accountId: number, nowMs: number): { count: number; leftMs: number } {
      let window = findCurrent(accountId, nowMs);
      if (!window) {
        window = { startedAtMs: nowMs, count: 0 };
        windows.set(accountId, window);
      }
      window.count = Math.min(window.count + 1, MAX_WINDOW_COUNT);
      dirty.add(accountId);
      return { count: window.count, leftMs: window.startedAtMs + WINDOW_MS - nowMs };
    },

    /** Returns the current window without counting a request. */
    peek(accountId: number, nowMs: number): { count: number; resetAtMs: number | null } {
      const window = findCurrent(accountId, nowMs);
      return { count: window?.count ?? 0, resetAtMs: window ? window.startedAtMs + WINDOW_MS : null };
    },

    /**
     * Sets the count of the current window, or of a new one that starts now, and persists it. Must run inside a
     * transaction.
     */
    set(accountId: number, count: number, nowMs: number): void {
      const window = findCurrent(accountId, nowMs);
      if (count > 0 || window) setWindow(accountId, { startedAtMs: window?.startedAtMs ?? nowMs, count });
    },

    /** Sets and persists the window of an imported account. Must run inside a transaction. */
    setWindow,

    /** Copies the window of an account to a new one, and persists it. Must run inside a transaction. */
    copy(fromId: number, toId: number): void {
      save();
      copyWindow.run({ fromId, toId });
    },

    /** Discards the window of a removed account; its stored row was deleted with the account. */
    clear(accountId: number): void {
      windows.delete(accountId);
      dirty.delete(accountId);
    },

    save,
  };
}
