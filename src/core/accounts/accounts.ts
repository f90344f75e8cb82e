import type { CoreContext } from '../context.ts';
import { CoreError } from '../errors.ts';
import type { Faults, Rule } from '../faults/fault-rules.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { accountTimeMs, type ClockMode, toClockMs } from '../time/clock.ts';
import type { Account, AccountOrigin } from './account.ts';
import { type AccountCache, isSnapshotKey } from './account-cache.ts';

export type { Account, AccountOrigin };

/** The initial state of an account, to which a reset returns it. */
export interface AccountProfile {
  credits: number;
  rateLimit: number | null;
  clock: { mode: ClockMode; nowMs?: number | undefined };
  speed: number;
  failureRate: number;
  seed: string;
  /** Fault rules of the account. */
  faults?: readonly Rule[];
}

/** Settings that do not affect running tasks; undefined leaves a setting unchanged. */
export type AccountSettings = {
  [Name in 'rateLimit' | 'failureRate' | 'seed' | 'revoked']?: Account[Name] | undefined;
};

/** Approximate size of an account without tasks, with its index entries and its cached row. */
const ACCOUNT_BYTES = 1000;

export type Accounts = ReturnType<typeof createAccounts>;

/** Creates, reads and changes accounts. */
export function createAccounts(
  { db, transactions, clock, events, storage }: CoreContext,
  cache: AccountCache,
  ledger: Ledger,
  faults: Faults,
) {
  const nextId = db.prepare<[], number>('UPDATE account_ids SET last = last + 1 RETURNING last').pluck();
  const insert = db.prepare<
    Omit<Account, 'balance' | 'revoked' | 'entryCount' | 'taskCount' | 'wakeAtMs'> & { profile: string }
  >(`
    INSERT INTO accounts (id, key, origin, rate_limit, clock_mode, clock_ms, speed, failure_rate, seed,
                          created_at, profile)
    VALUES (@id, @key, @origin, @rateLimit, @clockMode, @clockMs, @speed, @failureRate, @seed, @createdAtMs, @profile)`);
  const profileById = db.prepare<[number], string>('SELECT profile FROM accounts WHERE id = ?').pluck();
  const updateRow = db.prepare<Omit<Account, 'revoked'> & { revoked: number }>(`
    UPDATE accounts
    SET rate_limit = @rateLimit, failure_rate = @failureRate, seed = @seed, revoked = @revoked, speed = @speed,
        clock_mode = @clockMode, clock_ms = @clockMs
    WHERE id = @id`);
  const remove = db.prepare<[number]>('DELETE FROM accounts WHERE id = ?');
  const allAccounts = db.prepare<[], Pick<Account, 'id' | 'origin'>>(
    'SELECT id, origin FROM accounts WHERE snapshot_of IS NULL ORDER BY id',
  );
  const count = db.prepare<[], number>('SELECT count(*) FROM accounts WHERE snapshot_of IS NULL').pluck();
  const setWake = db.prepare<{ id: number; wakeAtMs: number | null }>(
    'UPDATE accounts SET wake_at_ms = @wakeAtMs WHERE id = @id',
  );
  const dueAccounts = db
    .prepare<[number, number], number>('SELECT id FROM accounts WHERE wake_at_ms <= ? ORDER BY wake_at_ms LIMIT ?')
    .pluck();

  function get(id: number): Account {
    const account = cache.get(id);
    if (!account) throw new CoreError('ACCOUNT_NOT_FOUND', `account ${id} does not exist`);
    return account;
  }

  function update(id: number, values: Partial<Omit<Account, 'id' | 'key' | 'origin'>>): void {
    const account = { ...get(id), ...values };
    updateRow.run({ ...account, revoked: Number(account.revoked) });
    cache.patch(id, values);
  }

  function insertAccount(
    key: string,
    origin: AccountOrigin,
    profile: AccountProfile,
    change: 'created' | 'reset',
  ): Account {
    const { mode: clockMode, nowMs } = profile.clock;
    const wallMs = clock.nowMs();
    const clockMs = toClockMs(clockMode, nowMs ?? wallMs, wallMs);
    const createdAtMs = accountTimeMs({ clockMode, clockMs, speed: profile.speed }, wallMs);
    const id = nextId.get()!;
    const json = JSON.stringify(profile);
    insert.run({ ...profile, id, key, origin, clockMode, clockMs, createdAtMs, profile: json });
    events.emit({ type: 'account', accountId: id, change });
    for (const rule of profile.faults ?? []) faults.addCounted(id, rule, 0, 0);
    if (profile.credits > 0) ledger.grant(id, profile.credits, 'initial credits', createdAtMs);
    return get(id);
  }

  const insertNew = transactions.exclusive(insertAccount);
  const create = (key: string, origin: AccountOrigin, profile: AccountProfile): Account =>
    storage.write(ACCOUNT_BYTES, () => insertNew(key, origin, profile, 'created'));

  return {
    count: (): number => count.get()!,
    /** Finds an account by its API key; never a snapshot. */
    find: (key: string): Account | undefined => (isSnapshotKey(key) ? undefined : cache.find(key)),
    /** @throws ACCOUNT_NOT_FOUND when the account does not exist */
    get,
    /** Returns up to `limit` accounts ordered by key, starting after the key `after`. */
    list: (limit: number, after = ''): Account[] => cache.list(limit, after),
    /** Returns all accounts without their snapshots. */
    all: (): Pick<Account, 'id' | 'origin'>[] => allAccounts.all(),
    /** Creates an account. @throws OUT_OF_MEMORY when it does not fit into the memory budget */
    create,
    /** Creates a removed account again, under a new id. Must run inside a transaction. */
    recreate: (key: string, origin: AccountOrigin, profile: AccountProfile): Account =>
      insertAccount(key, origin, profile, 'reset'),
    /** Creates the seed accounts that do not exist yet; accounts from an earlier start keep their state. */
    createMissing: transactions.exclusive((seeded: readonly { key: string; profile: AccountProfile }[]): void => {
      for (const { key, profile } of seeded) if (!cache.find(key)) create(key, 'seed', profile);
    }),
    /** Returns an id that was never used before. */
    nextId: (): number => nextId.get()!,
    has: (id: number): boolean => cache.get(id) !== undefined,
    /** Returns the account's key; undefined for unknown ids and for snapshots. */
    findKey: (id: number): string | undefined => cache.findKey(id),
    /** Returns the profile with which the account was created. */
    getProfile: (id: number): AccountProfile => JSON.parse(profileById.get(id)!),
    /** @throws ACCOUNT_NOT_FOUND when the account does not exist */
    change(id: number, settings: AccountSettings): void {
      const account = get(id);
      const {
        rateLimit = account.rateLimit,
        failureRate = account.failureRate,
        seed = account.seed,
        revoked = account.revoked,
      } = settings;
      update(id, { rateLimit, failureRate, seed, revoked });
      events.emit({ type: 'account', accountId: id, change: 'changed' });
    },
    setSpeed: (id: number, speed: number): void => update(id, { speed }),
    /** Deletes the account with all its data, including its snapshots. */
    remove(id: number): void {
      remove.run(id);
      cache.invalidate();
    },
    /** Clears the cache after account rows were written elsewhere. */
    invalidate: cache.invalidate,
    /** Must be called after the insertion of tasks: the cached row then shows their number. */
    reflectTasks: (id: number, taskCount: number): void => cache.patch(id, { taskCount }),
    /** Stores the wall time of the next due transition. */
    setWake(id: number, wakeAtMs: number | null): void {
      setWake.run({ id, wakeAtMs });
      cache.patch(id, { wakeAtMs });
    },
    setClock: (id: number, clockMode: ClockMode, clockMs: number): void => update(id, { clockMode, clockMs }),
    /** Returns the ids of accounts with a transition due at `wallMs`, longest overdue first. */
    dueAccounts: (wallMs: number, limit: number): number[] => dueAccounts.all(wallMs, limit),
  };
}
