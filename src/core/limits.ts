import type { Db } from './db.ts';

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

export type Limits = ReturnType<typeof createLimits>;

/**
 * Fixed windows of an hour on the account's clock, each begun by its first counted request; requests past the limit
 * count too but never lengthen it. Counts live in memory, because a poll should not cost a write; `save` keeps them
 * over an orderly stop.
 */
export function createLimits(db: Db) {
  const windows = new Map<number, Window>();
  const load = db.prepare<[], Window & { accountId: number }>(
    'SELECT account_id AS accountId, started_at AS startedAtMs, count FROM rate_windows',
  );
  const clear = db.prepare('DELETE FROM rate_windows');
  const keep = db.prepare<Window & { accountId: number }>(
    'INSERT INTO rate_windows (account_id, started_at, count) VALUES (@accountId, @startedAtMs, @count)',
  );

  function current(accountId: number, nowMs: number): Window | undefined {
    const window = windows.get(accountId);
    // A wall clock that was set back must not lock an account out for longer than an hour.
    const running = window && nowMs < window.startedAtMs + WINDOW_MS && nowMs >= window.startedAtMs;
    return running ? window : undefined;
  }

  return {
    /** Counts one request. */
    hit(accountId: number, nowMs: number): Hit {
      let window = current(accountId, nowMs);
      if (!window) {
        window = { startedAtMs: nowMs, count: 0 };
        windows.set(accountId, window);
      }
      window.count += 1;
      return { count: window.count, leftMs: window.startedAtMs + WINDOW_MS - nowMs };
    },

    /** What `hit` would build on, without counting. */
    peek(accountId: number, nowMs: number): { count: number; resetAtMs: number | null } {
      const window = current(accountId, nowMs);
      return { count: window?.count ?? 0, resetAtMs: window ? window.startedAtMs + WINDOW_MS : null };
    },

    /** Takes up the counts of the last orderly stop. */
    restore() {
      for (const { accountId, ...window } of load.all()) windows.set(accountId, window);
    },

    save: db.transaction(() => {
      clear.run();
      for (const [accountId, window] of windows) keep.run({ accountId, ...window });
    }),
  };
}
