import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Account } from '../../core/accounts/accounts.ts';
import type { Core } from '../../core/core.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { App, Emulator } from '../../http/context.ts';
import { Accounts, Account as OneAccount } from '../response-schemas.ts';
import {
  accountAt,
  afterText,
  key,
  moment,
  momentOrNull,
  OfAccount,
  PROFILE,
  paged,
  pageOf,
  profileOf,
  remainingRequests,
  requestLimit,
  seed,
  speed,
  strict,
} from '../schemas.ts';

const AccountsQuery = strict(pageOf(afterText));
export const NewAccount = strict({ key: key.optional(), ...PROFILE });
export const Changes = strict({
  rateLimit: requestLimit.optional(),
  speed: speed.optional(),
  seed: seed.optional(),
  revoked: z.boolean().optional(),
});
const RateLimit = strict({ limit: requestLimit.optional(), remaining: remainingRequests.optional() });

/** The calls on an account and its limiter. */
export function registerAccounts(app: App, { core, settings }: Emulator): void {
  const at = ({ key }: OfAccount) => accountAt(core, key);

  app.get(
    '/accounts',
    {
      schema: { querystring: AccountsQuery },
      config: {
        call: {
          name: 'listAccounts',
          tag: 'accounts',
          summary: 'Lists the accounts.',
          description: 'In the order of their keys.',
          answers: { 200: Accounts },
        },
      },
    },
    async ({ query }) => {
      const accounts = core.accounts.list(query.limit + 1, query.after);
      const { items, next } = paged(accounts, query.limit, ({ key }) => key);
      return { accounts: items.map((account) => shownAccount(core, accountAt(core, account.key))), next };
    },
  );

  app.post(
    '/accounts',
    {
      schema: { body: NewAccount },
      config: {
        call: {
          name: 'createAccount',
          tag: 'accounts',
          summary: 'Makes an account.',
          description:
            'What is not said comes from the `defaults` of the seed file, and where they say nothing from the settings.',
          answers: { 201: OneAccount },
          codes: ['ACCOUNT_EXISTS'],
        },
      },
    },
    async ({ body }, reply) => {
      const { key = `np_${randomBytes(12).toString('hex')}`, ...said } = body;
      if (core.accounts.find(key)) {
        throw new EmulatorError('ACCOUNT_EXISTS', `There is an account with the key ${key} already.`);
      }
      const account = core.accounts.create(key, 'control', profileOf(said, settings.newAccountProfile));
      reply.code(201);
      return shownAccount(core, account);
    },
  );

  app.get(
    '/accounts/:key',
    {
      schema: { params: OfAccount },
      config: {
        call: {
          name: 'getAccount',
          tag: 'accounts',
          summary: 'Reads an account.',
          description: 'With its credits, its limiter and its clock, after all that was due for it.',
          answers: { 200: OneAccount },
        },
      },
    },
    async ({ params }) => shownAccount(core, at(params)),
  );

  app.patch(
    '/accounts/:key',
    {
      schema: { params: OfAccount, body: Changes },
      config: {
        call: {
          name: 'changeAccount',
          tag: 'accounts',
          summary: 'Changes an account.',
          description:
            'What is not said stays. A new speed concerns what running tasks have left, too; a new seed only what comes after it. A revoked key is 401 on the API and still readable here.',
          answers: { 200: OneAccount },
        },
      },
    },
    async ({ params, body }) => {
      const { id } = at(params);
      const { speed, ...rest } = body;
      const settings = defined(rest);
      core.transactions.own(() => {
        if (Object.keys(settings).length > 0) core.accounts.change(id, settings);
        if (speed !== undefined) core.timeline.setSpeed(id, speed);
      })();
      return shownAccount(core, core.accounts.get(id));
    },
  );

  app.delete(
    '/accounts/:key',
    {
      schema: { params: OfAccount },
      config: {
        call: {
          name: 'removeAccount',
          tag: 'accounts',
          summary: 'Removes an account.',
          description:
            'With all that is its own. A key that starts with `np_test_` makes a fresh account at its next request.',
          answers: { 204: null },
        },
      },
    },
    async ({ params }, reply) => {
      core.resets.remove(at(params).id);
      reply.code(204);
    },
  );

  app.put(
    '/accounts/:key/rate-limit',
    {
      schema: { params: OfAccount, body: RateLimit },
      config: {
        call: {
          name: 'setRateLimit',
          tag: 'accounts',
          summary: 'Drives the limiter.',
          description:
            '`remaining` is what is left of the hour that runs, or of one that begins now. What is not said stays.',
          answers: { 200: OneAccount },
        },
      },
    },
    async ({ params, body }) => {
      const account = at(params);
      const limit = body.limit === undefined ? account.rateLimit : body.limit;
      const { remaining } = body;
      if (remaining !== undefined && (limit === null || remaining > limit)) {
        const most = limit === null ? 'no limit is set' : `the limit is ${limit}`;
        throw new EmulatorError('INVALID_INPUT', `Invalid parameter remaining: ${most}.`);
      }
      core.accounts.change(account.id, { rateLimit: limit });
      if (remaining !== undefined) {
        core.limits.set(account.id, limit! - remaining, core.timeline.nowMs(account));
        // A count that was asked for is kept like any answer; those of requests can wait.
        core.limits.save();
      }
      return shownAccount(core, core.accounts.get(account.id));
    },
  );
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
