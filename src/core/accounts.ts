import type { AccountClock, Clock, ClockMode } from './clock.ts';
import { accountTimeMs } from './clock.ts';
import type { Db } from './db.ts';
import { EmulatorError } from './errors.ts';
import type { Ledger } from './ledger.ts';

/** How an account came to be: from the seed file, by a first request, or over the control plane. */
export type AccountOrigin = 'seed' | 'self' | 'control';

export interface Account extends AccountClock {
  id: number;
  key: string;
  origin: AccountOrigin;
  /** Credits that can still be spent. */
  balance: number;
  /** Requests an hour; null: no limit. */
  rateLimit: number | null;
  seed: string;
  revoked: boolean;
  /** On the account's clock. */
  createdAtMs: number;
  taskCount: number;
  /** Wall time at which something falls due; null when nothing does by itself. */
  wakeAtMs: number | null;
}

/** What an account starts with. */
export interface AccountProfile {
  credits: number;
  rateLimit: number | null;
  clock: { mode: ClockMode; nowMs?: number | undefined };
  speed: number;
  seed: string;
}

export type Accounts = ReturnType<typeof createAccounts>;

type AccountRow = Omit<Account, 'revoked'> & { revoked: number };

const COLUMNS = `id, key, origin, balance, rate_limit AS rateLimit, clock_mode AS clockMode, clock_ms AS clockMs,
  speed, seed, revoked, created_at AS createdAtMs, task_count AS taskCount, wake_at_ms AS wakeAtMs`;

export function createAccounts(db: Db, clock: Clock, ledger: Ledger) {
  const byKey = db.prepare<[string], AccountRow>(`SELECT ${COLUMNS} FROM accounts WHERE key = ?`);
  const byId = db.prepare<[number], AccountRow>(`SELECT ${COLUMNS} FROM accounts WHERE id = ?`);
  const page = db.prepare<{ after: string; limit: number }, AccountRow>(
    `SELECT ${COLUMNS} FROM accounts WHERE key > @after ORDER BY key LIMIT @limit`,
  );
  const insert = db.prepare<{
    key: string;
    origin: AccountOrigin;
    rateLimit: number | null;
    clockMode: ClockMode;
    clockMs: number;
    speed: number;
    seed: string;
    createdAtMs: number;
  }>(`INSERT INTO accounts (key, origin, rate_limit, clock_mode, clock_ms, speed, seed, created_at)
      VALUES (@key, @origin, @rateLimit, @clockMode, @clockMs, @speed, @seed, @createdAtMs)`);
  const addTasks = db.prepare<{ id: number; count: number }>(
    'UPDATE accounts SET task_count = task_count + @count WHERE id = @id',
  );
  const setWake = db.prepare<{ id: number; wakeAtMs: number | null }>(
    'UPDATE accounts SET wake_at_ms = @wakeAtMs WHERE id = @id',
  );
  const setClock = db.prepare<{ id: number; mode: ClockMode; clockMs: number }>(
    'UPDATE accounts SET clock_mode = @mode, clock_ms = @clockMs WHERE id = @id',
  );
  const toWake = db
    .prepare<[number, number], number>(
      'SELECT id FROM accounts WHERE wake_at_ms <= ? ORDER BY wake_at_ms LIMIT ?',
    )
    .pluck();

  const read = (row: AccountRow | undefined): Account | undefined =>
    row && { ...row, revoked: row.revoked === 1 };

  function get(id: number): Account {
    const account = read(byId.get(id));
    if (!account) throw new EmulatorError('ACCOUNT_NOT_FOUND', `account ${id} does not exist`);
    return account;
  }

  const create = db.transaction((key: string, origin: AccountOrigin, profile: AccountProfile): Account => {
    const { mode, nowMs } = profile.clock;
    const wallMs = clock.nowMs();
    const clockMs = mode === 'real' ? (nowMs === undefined ? 0 : nowMs - wallMs) : (nowMs ?? wallMs);
    const createdAtMs = accountTimeMs({ clockMode: mode, clockMs, speed: profile.speed }, wallMs);
    const { lastInsertRowid } = insert.run({
      key,
      origin,
      rateLimit: profile.rateLimit,
      clockMode: mode,
      clockMs,
      speed: profile.speed,
      seed: profile.seed,
      createdAtMs,
    });
    const id = Number(lastInsertRowid);
    if (profile.credits > 0) ledger.grant(id, profile.credits, 'initial credits', createdAtMs);
    return get(id);
  });

  return {
    find: (key: string): Account | undefined => read(byKey.get(key)),
    /** @throws EmulatorError ACCOUNT_NOT_FOUND */
    get,
    /** In the order of their keys, those after the key `after`. */
    list: (limit: number, after = ''): Account[] => page.all({ after, limit }).map((row) => read(row)!),
    create,
    addTasks: (id: number, count: number) => addTasks.run({ id, count }),
    setWake: (id: number, wakeAtMs: number | null) => setWake.run({ id, wakeAtMs }),
    setClock: (id: number, mode: ClockMode, clockMs: number) => setClock.run({ id, mode, clockMs }),
    /** Ids of the accounts with something due at `wallMs`, longest overdue first. */
    toWake: (wallMs: number, limit: number): number[] => toWake.all(wallMs, limit),
  };
}
