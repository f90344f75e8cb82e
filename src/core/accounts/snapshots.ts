import { EmulatorError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Faults } from '../faults/fault-rules.ts';
import type { Db } from '../storage/database.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { Tasks } from '../tasks/task-engine.ts';
import { accountTimeMs, type Clock } from '../time/clock.ts';
import type { RateLimiter } from '../time/rate-limiter.ts';
import type { Timeline } from '../time/timeline.ts';
import type { AccountLifetimes } from './account-lifetimes.ts';
import type { Account, AccountOrigin, Accounts } from './accounts.ts';

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

/** Copies of all of an account's rows: kept under a name, put back, or given to a new key. */
export function createSnapshots(
  db: Db,
  transactions: Transactions,
  clock: Clock,
  deps: {
    accounts: Accounts;
    tasks: Tasks;
    timeline: Timeline;
    rateLimiter: RateLimiter;
    faults: Faults;
    lifetimes: AccountLifetimes;
    events: Events;
    /** Of an account; each is a whole copy of its rows. */
    maxSnapshots: number;
  },
) {
  const { accounts, tasks, timeline, rateLimiter, faults, lifetimes, events, maxSnapshots } = deps;
  // The balance and the number of entries come back with the entries, by their trigger.
  const copyAccount = db.prepare<CopyParams>(`
    INSERT INTO accounts (id, key, origin, rate_limit, clock_mode, clock_ms, speed, seed, revoked, created_at,
                          task_count, profile, snapshot_of, snapshot_name, snapshot_at)
    SELECT @id, @key, ifnull(@origin, origin), rate_limit, clock_mode, ifnull(@clockMs, clock_ms), speed, seed, revoked,
           created_at, task_count, profile, @snapshotOf, @snapshotName, @snapshotAtMs
    FROM accounts WHERE id = @fromId`);
  const copyEntries = db.prepare<CopyParams>(`
    INSERT INTO ledger_entries (account_id, seq, kind, amount, balance, task_id, hold_seq, reason, at)
    SELECT @id, seq, kind, amount, balance, task_id, hold_seq, reason, at
    FROM ledger_entries WHERE account_id = @fromId ORDER BY seq`);
  const copyTasks = db.prepare<CopyParams>(`
    INSERT INTO tasks (account_id, seq, id, family, driver, status, price, hold_seq, client_ref, input, plan, step, follows,
                       created_at, started_at, due_at, finished_at, simulated_ms, error_code)
    SELECT @id, seq, id, family, driver, status, price, hold_seq, client_ref, input, plan, step, follows,
           created_at, started_at, due_at, finished_at, simulated_ms, error_code
    FROM tasks WHERE account_id = @fromId ORDER BY seq`);
  const page = db.prepare<{ accountId: number; after: string; limit: number }, Snapshot>(`
    SELECT snapshot_name AS name, snapshot_at AS takenAtMs FROM accounts
    WHERE snapshot_of = @accountId AND snapshot_name > @after ORDER BY snapshot_name LIMIT @limit`);
  const byName = db.prepare<[number, string], { id: number; takenAtMs: number }>(
    'SELECT id, snapshot_at AS takenAtMs FROM accounts WHERE snapshot_of = ? AND snapshot_name = ?',
  );
  const count = db.prepare<[number], number>('SELECT count(*) FROM accounts WHERE snapshot_of = ?').pluck();
  const releaseKey = db.prepare<[number]>('UPDATE accounts SET key = char(0) || id WHERE id = ?');
  const reassignSnapshots = db.prepare<{ fromId: number; id: number }>(
    'UPDATE accounts SET snapshot_of = @id WHERE snapshot_of = @fromId',
  );

  /** Inside a transaction. Answers the new id. `change`: what it is for those who see it; nobody sees a snapshot. */
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
    copyEntries.run(values);
    copyTasks.run(values);
    rateLimiter.copy(fromId, id);
    faults.copy(fromId, id);
    // Nobody answers the copy's requests.
    tasks.failInterrupted(id);
    // Time does not pass for a snapshot; for others it is plotted when they are whole.
    accounts.setWake(id, null);
    return id;
  }

  const take = transactions.exclusive(
    (accountId: number, name: string): { snapshot: Snapshot; replacedId: number | undefined } => {
      timeline.applyDue(accountId);
      const account = accounts.get(accountId);
      const existing = byName.get(accountId, name);
      if (existing) accounts.remove(existing.id);
      if (!existing && count.get(accountId)! >= maxSnapshots) {
        throw new EmulatorError(
          'TOO_MANY_SNAPSHOTS',
          `an account has at most ${maxSnapshots} snapshots (--snapshot-limit)`,
        );
      }
      const takenAtMs = accountTimeMs(account, clock.nowMs());
      copy(accountId, {
        key: `\u0000${accountId}\u0000${name}`,
        snapshotOf: accountId,
        snapshotName: name,
        snapshotAtMs: takenAtMs,
      });
      events.emit({ type: 'account', accountId, change: 'snapshots' });
      return { snapshot: { name, takenAtMs }, replacedId: existing?.id };
    },
  );

  const restore = transactions.exclusive((accountId: number, name: string): Account => {
    const { key } = accounts.get(accountId);
    const snapshot = byName.get(accountId, name);
    if (!snapshot) throw new EmulatorError('SNAPSHOT_NOT_FOUND', `there is no snapshot ${name} of ${key}`);
    releaseKey.run(accountId);
    accounts.invalidate();
    const id = copy(snapshot.id, { key, clockMs: toClockMs(snapshot) }, 'restored');
    reassignSnapshots.run({ fromId: accountId, id });
    accounts.remove(accountId);
    tasks.scheduleWake(accounts.get(id));
    return accounts.get(id);
  });

  const fork = transactions.exclusive((accountId: number, key: string): Account => {
    if (accounts.find(key)) throw new EmulatorError('ACCOUNT_EXISTS', `there is an account ${key} already`);
    timeline.applyDue(accountId);
    const id = copy(accountId, { key, origin: 'control' }, 'created');
    tasks.scheduleWake(accounts.get(id));
    return accounts.get(id);
  });

  // The limiter's counts belong to a snapshot like all else: they are written down with it, not a second later.
  return {
    /** Under a name that is taken it replaces what was there. @throws EmulatorError TOO_MANY_SNAPSHOTS */
    take(accountId: number, name: string): Snapshot {
      const { snapshot, replacedId } = take(accountId, name);
      if (replacedId !== undefined) rateLimiter.clear(replacedId);
      rateLimiter.save();
      return snapshot;
    },

    /** In the order of their names, those after the name `after`. */
    list: (accountId: number, limit: number, after = ''): Snapshot[] => page.all({ accountId, limit, after }),

    /**
     * The account is again as it was, at the time it was, and keeps its snapshots. Answers it; its id is new. What was under
     * way ends when it is sure that it is.
     * @throws EmulatorError SNAPSHOT_NOT_FOUND
     */
    restore(accountId: number, name: string): Account {
      const account = restore(accountId, name);
      rateLimiter.clear(accountId);
      lifetimes.end(accountId, account.id);
      rateLimiter.save();
      return account;
    },

    /** A new account with everything but the snapshots. @throws EmulatorError ACCOUNT_EXISTS */
    fork(accountId: number, key: string): Account {
      const account = fork(accountId, key);
      rateLimiter.save();
      return account;
    },
  };

  /** What has to stand in `clock_ms` for the account to be at the time of the snapshot again. */
  function toClockMs({ id, takenAtMs }: { id: number; takenAtMs: number }): number {
    return accounts.get(id).clockMode === 'real' ? takenAtMs - clock.nowMs() : takenAtMs;
  }
}
