import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Account } from '../core/accounts.ts';
import type { Core } from '../core/core.ts';
import { EmulatorError } from '../core/errors.ts';
import type { LedgerEntry } from '../core/ledger-entry.ts';
import type { App, Emulator } from '../http/context.ts';
import {
  accountAt,
  afterPlace,
  afterText,
  credits,
  key,
  moment,
  momentOrNull,
  type OfAccount,
  PROFILE,
  paged,
  pageOf,
  profileOf,
  reason,
  remainingRequests,
  requestLimit,
  seed,
  speed,
  strict,
} from './forms.ts';

const AccountsQuery = strict(pageOf(afterText));
const LedgerQuery = strict(pageOf(afterPlace));
const NewAccount = strict({ key: key.optional(), ...PROFILE });
const Changes = strict({
  rateLimit: requestLimit.optional(),
  speed: speed.optional(),
  seed: seed.optional(),
  revoked: z.boolean().optional(),
});
const Credits = strict({ amount: credits, reason: reason.optional() });
const RateLimit = strict({ limit: requestLimit.optional(), remaining: remainingRequests.optional() });

/** The calls on an account, its credits and its limiter. */
export function registerAccounts(app: App, { core, settings }: Emulator): void {
  const at = (params: unknown) => accountAt(core, (params as OfAccount['Params']).key);

  app.get('/accounts', { schema: { querystring: AccountsQuery } }, async ({ query }) => {
    const accounts = core.accounts.list(query.limit + 1, query.after);
    const { items, next } = paged(accounts, query.limit, ({ key }) => key);
    return { accounts: items.map((account) => shownAccount(core, accountAt(core, account.key))), next };
  });

  app.post('/accounts', { schema: { body: NewAccount } }, async ({ body }, reply) => {
    const { key = `np_${randomBytes(12).toString('hex')}`, ...said } = body;
    if (core.accounts.find(key)) {
      throw new EmulatorError('ACCOUNT_EXISTS', `There is an account with the key ${key} already.`);
    }
    const account = core.accounts.create(key, 'control', profileOf(said, settings.newAccountProfile));
    reply.code(201);
    return shownAccount(core, account);
  });

  app.get('/accounts/:key', async ({ params }) => shownAccount(core, at(params)));

  app.patch('/accounts/:key', { schema: { body: Changes } }, async ({ params, body }) => {
    const { id } = at(params);
    const { speed, ...rest } = body;
    core.db.transaction(() => {
      core.accounts.change(id, defined(rest));
      if (speed !== undefined) core.timeline.setSpeed(id, speed);
    })();
    return shownAccount(core, core.accounts.get(id));
  });

  app.delete('/accounts/:key', async ({ params }, reply) => {
    core.resets.remove(at(params).id);
    reply.code(204);
  });

  app.post('/accounts/:key/credits', { schema: { body: Credits } }, async ({ params, body }) => {
    const account = at(params);
    const { amount, reason = 'by the control plane' } = body;
    const book = amount > 0 ? core.ledger.grant : core.ledger.adjust;
    book(account.id, amount, reason, core.timeline.nowMs(account));
    return shownAccount(core, core.accounts.get(account.id));
  });

  app.put('/accounts/:key/rate-limit', { schema: { body: RateLimit } }, async ({ params, body }) => {
    const account = at(params);
    const limit = body.limit === undefined ? account.rateLimit : body.limit;
    const { remaining } = body;
    if (remaining !== undefined && (limit === null || remaining > limit)) {
      const most = limit === null ? 'no limit is set' : `the limit is ${limit}`;
      throw new EmulatorError('INVALID_INPUT', `Invalid parameter remaining: ${most}.`);
    }
    core.accounts.change(account.id, { rateLimit: limit });
    if (remaining !== undefined)
      core.limits.set(account.id, limit! - remaining, core.timeline.nowMs(account));
    return shownAccount(core, core.accounts.get(account.id));
  });

  app.get('/accounts/:key/ledger', { schema: { querystring: LedgerQuery } }, async ({ params, query }) => {
    const { id, balance } = at(params);
    const entries = core.ledger.entries(id, query.limit + 1, query.after);
    const { items, next } = paged(entries, query.limit, ({ seq }) => String(seq));
    return { balance, held: core.ledger.held(id), entries: items.map(shownEntry), next };
  });

  app.get('/accounts/:key/ledger/verify', async ({ params }) => {
    const problems = core.ledger.verify(at(params).id);
    return { ok: problems.length === 0, problems };
  });
}

/** Without the fields that are undefined, as `exactOptionalPropertyTypes` wants it. */
function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

export function shownAccount(core: Core, account: Account) {
  const nowMs = core.timeline.nowMs(account);
  const { count, resetAtMs } = core.limits.peek(account.id, nowMs);
  return {
    key: account.key,
    credits: account.balance,
    rateLimit: {
      limit: account.rateLimit,
      remaining: account.rateLimit === null ? null : Math.max(0, account.rateLimit - count),
      resetAt: momentOrNull(resetAtMs),
    },
    clock: { mode: account.clockMode, now: moment(nowMs) },
    speed: account.speed,
    seed: account.seed,
    createdAt: moment(account.createdAtMs),
    revoked: account.revoked,
  };
}

export function shownEntry({ seq, kind, amount, balance, taskId, reason, atMs }: LedgerEntry) {
  return { id: String(seq), kind, amount, balance, taskId, reason, at: moment(atMs) };
}
