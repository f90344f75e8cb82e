import { LRUCache } from 'lru-cache';
import type { Db } from '../storage/database.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { Account } from './account.ts';

type AccountRow = Omit<Account, 'revoked'> & { revoked: number };

const COLUMNS = `id, key, origin, balance, rate_limit AS rateLimit, clock_mode AS clockMode, clock_ms AS clockMs,
  speed, seed, revoked, created_at AS createdAtMs, entry_count AS entryCount,
  task_count AS taskCount, wake_at_ms AS wakeAtMs`;

/** Accounts that are kept in memory; what is not is read again. */
const MOST_KEPT = 2000;

export type AccountRows = ReturnType<typeof createAccountRows>;

/**
 * The rows of accounts, those in use kept in memory: every request begins with its account, and to ask the database for it
 * each time would cost more than all else in a poll. Whoever writes to a row says so here, by `changed` or by `forget`.
 */
export function createAccountRows(db: Db, transactions: Transactions) {
  const byKey = db.prepare<[string], AccountRow>(`SELECT ${COLUMNS} FROM accounts WHERE key = ?`);
  const byId = db.prepare<[number], AccountRow>(`SELECT ${COLUMNS} FROM accounts WHERE id = ?`);
  const page = db.prepare<{ after: string; limit: number }, AccountRow>(
    `SELECT ${COLUMNS} FROM accounts WHERE key > @after AND snapshot_of IS NULL ORDER BY key LIMIT @limit`,
  );
  const ids = new LRUCache<string, number>({ max: MOST_KEPT });
  const kept = new LRUCache<number, Account>({ max: MOST_KEPT });

  const read = (row: AccountRow): Account => ({ ...row, revoked: row.revoked === 1 });

  function keep(row: AccountRow | undefined): Account | undefined {
    if (!row) return undefined;
    const account = read(row);
    kept.set(account.id, account);
    ids.set(account.key, account.id);
    return account;
  }

  function forget(): void {
    kept.clear();
    ids.clear();
  }
  transactions.onUndone(forget);

  const get = (id: number): Account | undefined => kept.get(id) ?? keep(byId.get(id));

  return {
    get,
    find(key: string): Account | undefined {
      const id = ids.get(key);
      return (id === undefined ? undefined : kept.get(id)) ?? keep(byKey.get(key));
    },
    /** In the order of their keys, those after the key `after`. */
    list: (limit: number, after: string): Account[] => page.all({ after, limit }).map(read),
    /** The row has been given these values. What others hold of the account stays as it was when they asked. */
    changed(id: number, values: Partial<Account>): void {
      const account = kept.peek(id);
      if (account) kept.set(id, { ...account, ...values });
    },
    /** Rows have come, gone or changed in ways of their own. */
    forget,
  };
}
