import type { Db } from '../storage/database.ts';
import { createRecentCache } from '../storage/recent-cache.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { Account } from './account.ts';

type AccountRow = Omit<Account, 'revoked'> & { revoked: number };

const COLUMNS = `id, key, origin, rate_limit AS rateLimit, clock_mode AS clockMode, clock_ms AS clockMs, speed,
  failure_rate AS failureRate, seed, revoked, created_at AS createdAtMs, wake_at_ms AS wakeAtMs,
  ifnull((SELECT balance FROM ledger_entries WHERE account_id = accounts.id ORDER BY seq DESC LIMIT 1), 0) AS balance,
  ifnull((SELECT max(seq) FROM ledger_entries WHERE account_id = accounts.id), 0) AS entryCount,
  max(ifnull((SELECT max(seq) FROM tasks WHERE account_id = accounts.id), 0),
      ifnull((SELECT max(seq) FROM evicted_tasks WHERE account_id = accounts.id), 0)) AS taskCount`;

/** Snapshots have keys that start with a NUL character, which an API key cannot contain. */
export const isSnapshotKey = (key: string) => key.startsWith('\u0000');

/** Number of accounts kept in memory. */
const CACHE_SIZE = 2000;

export type AccountCache = ReturnType<typeof createAccountCache>;

/**
 * Write-through cache of account rows. Every request starts with its account, and reading it from the database each
 * time would cost more than the rest of a poll. Every write must call `patch` or `invalidate`.
 */
export function createAccountCache(db: Db, transactions: Transactions) {
  const byKey = db.prepare<[string], AccountRow>(`SELECT ${COLUMNS} FROM accounts WHERE key = ?`);
  const byId = db.prepare<[number], AccountRow>(`SELECT ${COLUMNS} FROM accounts WHERE id = ?`);
  const keyById = db.prepare<[number], string>('SELECT key FROM accounts WHERE id = ? AND snapshot_of IS NULL').pluck();
  const page = db.prepare<{ after: string; limit: number }, AccountRow>(
    `SELECT ${COLUMNS} FROM accounts WHERE key > @after AND snapshot_of IS NULL ORDER BY key LIMIT @limit`,
  );
  const idByKey = createRecentCache<string, number>(CACHE_SIZE);
  const accountById = createRecentCache<number, Account>(CACHE_SIZE);

  const toAccount = (row: AccountRow): Account => ({ ...row, revoked: row.revoked === 1 });

  function store(row: AccountRow | undefined): Account | undefined {
    if (!row) return undefined;
    const account = toAccount(row);
    accountById.set(account.id, account);
    idByKey.set(account.key, account.id);
    return account;
  }

  function invalidate(): void {
    accountById.clear();
    idByKey.clear();
  }
  transactions.onRollback(invalidate);

  const get = (id: number): Account | undefined => accountById.get(id) ?? store(byId.get(id));

  return {
    get,
    find(key: string): Account | undefined {
      const id = idByKey.get(key);
      return (id === undefined ? undefined : accountById.get(id)) ?? store(byKey.get(key));
    },
    /** Returns the key of an account; undefined for unknown ids and for snapshots. Caches nothing. */
    findKey(id: number): string | undefined {
      // The row of an account that is being copied is not complete yet.
      const cached = accountById.peek(id);
      if (!cached) return keyById.get(id);
      return isSnapshotKey(cached.key) ? undefined : cached.key;
    },
    /** Returns up to `limit` accounts ordered by key, starting after the key `after`; reads the database. */
    list: (limit: number, after: string): Account[] => page.all({ after, limit }).map(toAccount),
    /** Applies a write to the cached row. Account objects handed out earlier are immutable and do not change. */
    patch(id: number, values: Partial<Account>): void {
      const account = accountById.peek(id);
      if (account) accountById.set(id, { ...account, ...values });
    },
    /** Clears the cache after rows were inserted, deleted or changed without `patch`. */
    invalidate,
  };
}
