import { z } from 'zod';
import type { Account } from '../core/accounts.ts';
import { EmulatorError } from '../core/errors.ts';
import type { LedgerEntry } from '../core/ledger.ts';
import type { App, Emulator } from '../http/context.ts';

const limit = z
  .string()
  .regex(/^\d+$/, { error: 'expected a whole number from 1 to 1000' })
  .transform(Number)
  .pipe(z.number().min(1).max(1000))
  .default(100);
const place = z
  .string()
  .regex(/^\d{1,15}$/, { error: 'expected the id of the last entry seen' })
  .transform(Number)
  .default(0);

const AccountsQuery = z.strictObject({ limit, after: z.string().default('') });
const LedgerQuery = z.strictObject({ limit, after: place });
const moment = (atMs: number) => new Date(atMs).toISOString();

/** The calls that read an account and what is its own. */
export function registerAccounts(app: App, { core }: Emulator): void {
  const known = (key: string): Account => {
    const account = core.accounts.find(key);
    if (!account) throw new EmulatorError('ACCOUNT_NOT_FOUND', `There is no account with the key ${key}.`);
    core.timeline.settleIfDue(account);
    return core.accounts.get(account.id);
  };

  app.get('/accounts', { schema: { querystring: AccountsQuery } }, async ({ query }) => {
    const accounts = core.accounts.list(query.limit + 1, query.after);
    const { items, next } = paged(accounts, query.limit, ({ key }) => key);
    return { accounts: items.map((account) => shown(known(account.key))), next };
  });

  app.get<{ Params: { key: string } }>('/accounts/:key', async ({ params }) => shown(known(params.key)));

  app.get('/accounts/:key/ledger', { schema: { querystring: LedgerQuery } }, async ({ params, query }) => {
    const { id, balance } = known((params as { key: string }).key);
    const entries = core.ledger.entries(id, query.limit + 1, query.after);
    const { items, next } = paged(entries, query.limit, ({ seq }) => String(seq));
    return { balance, held: core.ledger.held(id), entries: items.map(shownEntry), next };
  });

  app.get<{ Params: { key: string } }>('/accounts/:key/ledger/verify', async ({ params }) => {
    const problems = core.ledger.verify(known(params.key).id);
    return { ok: problems.length === 0, problems };
  });

  function shown(account: Account) {
    const nowMs = core.timeline.nowMs(account);
    const { count, resetAtMs } = core.limits.peek(account.id, nowMs);
    return {
      key: account.key,
      credits: account.balance,
      rateLimit: {
        limit: account.rateLimit,
        remaining: account.rateLimit === null ? null : Math.max(0, account.rateLimit - count),
        resetAt: resetAtMs === null ? null : moment(resetAtMs),
      },
      clock: { mode: account.clockMode, now: moment(nowMs) },
      speed: account.speed,
      seed: account.seed,
      createdAt: moment(account.createdAtMs),
      revoked: account.revoked,
    };
  }
}

/** One more than asked for was read: is there a next page, and after which id does it begin? */
function paged<T>(found: T[], limit: number, idOf: (item: T) => string): { items: T[]; next: string | null } {
  const items = found.slice(0, limit);
  return { items, next: found.length > limit ? idOf(items.at(-1)!) : null };
}

function shownEntry({ seq, kind, amount, balance, taskId, reason, atMs }: LedgerEntry) {
  return { id: String(seq), kind, amount, balance, taskId, reason, at: moment(atMs) };
}
