import type { CoreContext } from '../context.ts';
import { CoreError } from '../errors.ts';
import type { Faults } from '../faults/fault-rules.ts';
import type { Tasks } from '../tasks/task-engine.ts';
import { toClockMs } from '../time/clock.ts';
import type { RateLimiter } from '../time/rate-limiter.ts';
import type { Timeline } from '../time/timeline.ts';
import type { AccountLifetimes } from './account-lifetimes.ts';
import { ENTRY_COLUMNS, EVICTED_COLUMNS, TASK_COLUMNS } from './account-rows.ts';
import type { Account, AccountOrigin, Accounts } from './accounts.ts';

/** A named copy of an account. */
export interface Snapshot {
  name: string;
  /** On the account's clock. */
  takenAtMs: number;
}

interface CopyParams {
  fromId: number;
  id: number;
  key: string;
  origin: AccountOrigin | null;
  clockMs: number | null;
  snapshotOf: number | null;
  snapshotName: string | null;
  snapshotAtMs: number | null;
}

export type Snapshots = ReturnType<typeof createSnapshots>;

/** Copies all rows of an account: takes named snapshots, restores them, and forks accounts under a new key. */
export function createSnapshots(
  { db, transactions, clock, events, storage }: CoreContext,
  deps: {
    accounts: Accounts;
    tasks: Tasks;
    timeline: Timeline;
    rateLimiter: RateLimiter;
    faults: Faults;
    lifetimes: AccountLifetimes;
    /** Per account; each snapshot is a complete copy of the account's rows. */
    maxSnapshots: number;
  },
) {
  const { accounts, tasks, timeline, rateLimiter, faults, lifetimes, maxSnapshots } = deps;
  const copyAccount = db.prepare<CopyParams>(`
    INSERT INTO accounts (id, key, origin, rate_limit, clock_mode, clock_ms, speed, failure_rate, seed, revoked,
                          created_at, profile, snapshot_of, snapshot_name, snapshot_at)
    SELECT @id, @key, ifnull(@origin, origin), rate_limit, clock_mode, ifnull(@clockMs, clock_ms), speed, failure_rate,
           seed, revoked, created_at, profile, @snapshotOf, @snapshotName, @snapshotAtMs
    FROM accounts WHERE id = @fromId`);
  /** Prepares the copy of an account's rows of a table; `columns` are the ones besides `account_id`. */
  const prepareCopy = (table: string, columns: readonly string[]) =>
    db.prepare<CopyParams>(
      `INSERT INTO ${table} (account_id, ${columns})
       SELECT @id, ${columns} FROM ${table} WHERE account_id = @fromId ORDER BY seq`,
    );
  const copyEntries = prepareCopy('ledger_entries', Object.values(ENTRY_COLUMNS));
  const copyTasks = prepareCopy('tasks', Object.values(TASK_COLUMNS));
  const copyEvicted = prepareCopy('evicted_tasks', Object.values(EVICTED_COLUMNS));
  const page = db.prepare<{ accountId: number; after: string; limit: number }, Snapshot>(`
    SELECT snapshot_name AS name, snapshot_at AS takenAtMs FROM accounts
    WHERE snapshot_of = @accountId AND snapshot_name > @after ORDER BY snapshot_name LIMIT @limit`);
  const byName = db.prepare<[number, string], { id: number; takenAtMs: number }>(
    'SELECT id, snapshot_at AS takenAtMs FROM accounts WHERE snapshot_of = ? AND snapshot_name = ?',
  );
  const count = db.prepare<[number], number>('SELECT count(*) FROM accounts WHERE snapshot_of = ?').pluck();
  const size = db
    .prepare<{ accountId: number }, number>(`
      SELECT 2000
        + (SELECT ifnull(sum(700 + octet_length(input)), 0) FROM tasks WHERE account_id = @accountId)
        + (SELECT 120 * count(*) FROM ledger_entries WHERE account_id = @accountId)
        + (SELECT ifnull(sum(300 + octet_length(rule)), 0) FROM faults WHERE account_id = @accountId)`)
    .pluck();
  const releaseKey = db.prepare<[number]>('UPDATE accounts SET key = char(0) || id WHERE id = ?');
  const reassignSnapshots = db.prepare<{ fromId: number; id: number }>(
    'UPDATE accounts SET snapshot_of = @id WHERE snapshot_of = @fromId',
  );

  /** Returns the approximate size of a copy in bytes. */
  const getSize = (accountId: number): number => size.get({ accountId })!;

  /** Copies all rows and returns the new id; `change` is the event to emit. Must run inside a transaction. */
  function copy(
    fromId: number,
    overrides: { key: string } & Partial<Omit<CopyParams, 'id' | 'fromId'>>,
    change?: 'created' | 'restored',
  ): number {
    const id = accounts.nextId();
    const values: CopyParams = {
      ...{ fromId, id, origin: null, clockMs: null },
      ...{ snapshotOf: null, snapshotName: null, snapshotAtMs: null },
      ...overrides,
    };
    copyAccount.run(values);
    if (change) events.emit({ type: 'account', accountId: id, change });
    // Entries before tasks, whose triggers would otherwise write new entries.
    copyEntries.run(values);
    copyTasks.run(values);
    copyEvicted.run(values);
    rateLimiter.copy(fromId, id);
    faults.copy(fromId, id);
    // The copy's synchronous tasks have no request that could end them.
    tasks.failInterrupted(id);
    // Time does not pass for a snapshot; the callers schedule the wake of other copies once these are complete.
    accounts.setWake(id, null);
    return id;
  }

  const take = transactions.exclusive((accountId: number, name: string): Snapshot => {
    timeline.applyDue(accountId);
    const existing = byName.get(accountId, name);
    if (existing) accounts.remove(existing.id);
    if (!existing && count.get(accountId)! >= maxSnapshots) {
      throw new CoreError(
        'TOO_MANY_SNAPSHOTS',
        `the limit of ${maxSnapshots} snapshots per account is reached (--snapshot-limit)`,
      );
    }
    const takenAtMs = timeline.nowMs(accounts.get(accountId));
    const key = `\u0000${accountId}\u0000${name}`;
    copy(accountId, { key, snapshotOf: accountId, snapshotName: name, snapshotAtMs: takenAtMs });
    events.emit({ type: 'account', accountId, change: 'snapshots' });
    return { name, takenAtMs };
  });

  const restore = transactions.exclusive((accountId: number, name: string): Account => {
    const { key } = accounts.get(accountId);
    const snapshot = byName.get(accountId, name);
    if (!snapshot) throw new CoreError('SNAPSHOT_NOT_FOUND', `snapshot ${name} of ${key} does not exist`);
    releaseKey.run(accountId);
    accounts.invalidate();
    const clockMs = toClockMs(accounts.get(snapshot.id).clockMode, snapshot.takenAtMs, clock.nowMs());
    const id = copy(snapshot.id, { key, clockMs }, 'restored');
    reassignSnapshots.run({ fromId: accountId, id });
    accounts.remove(accountId);
    tasks.scheduleWake(accounts.get(id));
    return accounts.get(id);
  });

  const fork = transactions.exclusive((accountId: number, key: string): Account => {
    if (accounts.find(key)) throw new CoreError('ACCOUNT_EXISTS', `an account with the key ${key} already exists`);
    timeline.applyDue(accountId);
    const id = copy(accountId, { key, origin: 'control' }, 'created');
    tasks.scheduleWake(accounts.get(id));
    return accounts.get(id);
  });

  return {
    /**
     * Takes or replaces a snapshot.
     * @throws TOO_MANY_SNAPSHOTS when the limit per account is reached
     * @throws OUT_OF_MEMORY when the copy does not fit into the memory budget
     */
    take: (accountId: number, name: string): Snapshot => storage.write(getSize(accountId), () => take(accountId, name)),

    /** Returns up to `limit` snapshots ordered by name, starting after the name `after`. */
    list: (accountId: number, limit: number, after = ''): Snapshot[] => page.all({ accountId, limit, after }),

    /**
     * Restores the account's state and time, and keeps its snapshots. The returned account has a new id. Work in
     * progress for the old id is cancelled after the commit.
     * @throws SNAPSHOT_NOT_FOUND when the account has no snapshot of this name
     */
    restore(accountId: number, name: string): Account {
      const account = restore(accountId, name);
      lifetimes.end(accountId, account, true);
      return account;
    },

    /**
     * Copies the account, without its snapshots, to a new key.
     * @throws ACCOUNT_EXISTS when the key is in use
     * @throws OUT_OF_MEMORY when the copy does not fit into the memory budget
     */
    fork: (accountId: number, key: string): Account => storage.write(getSize(accountId), () => fork(accountId, key)),
  };
}
