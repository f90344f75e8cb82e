import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Account } from '../../core/accounts/accounts.ts';
import type { Core } from '../../core/core.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { App, HttpContext } from '../../http/context.ts';
import { AccountSchema, Accounts } from '../response-schemas.ts';
import {
  AccountParams,
  apiKey,
  PROFILE,
  paginate,
  paginationParams,
  remainingRequests,
  requestLimit,
  requireAccount,
  resolveProfile,
  seed,
  speed,
  strict,
  textCursor,
  toTimestamp,
  toTimestampOrNull,
} from '../schemas.ts';

const AccountsQuery = strict(paginationParams(textCursor));
export const NewAccount = strict({ key: apiKey.optional(), ...PROFILE });
export const AccountChanges = strict({
  rateLimit: requestLimit.optional(),
  speed: speed.optional(),
  seed: seed.optional(),
  revoked: z.boolean().optional(),
});
const RateLimitRequest = strict({ limit: requestLimit.optional(), remaining: remainingRequests.optional() });

/** The calls on an account and its limiter. */
export function registerAccounts(app: App, { core, settings }: HttpContext): void {
  const accountFor = ({ key }: AccountParams) => requireAccount(core, key);

  app.get(
    '/accounts',
    {
      schema: { querystring: AccountsQuery },
      config: {
        operation: {
          name: 'listAccounts',
          tag: 'accounts',
          summary: 'Lists the accounts.',
          description: 'In the order of their keys.',
          responses: { 200: Accounts },
        },
      },
    },
    async ({ query }) => {
      const accounts = core.accounts.list(query.limit + 1, query.after);
      const { items, next } = paginate(accounts, query.limit, ({ key }) => key);
      return {
        accounts: items.map((account) => toAccountJson(core, requireAccount(core, account.key))),
        next,
      };
    },
  );

  app.post(
    '/accounts',
    {
      schema: { body: NewAccount },
      config: {
        operation: {
          name: 'createAccount',
          tag: 'accounts',
          summary: 'Makes an account.',
          description:
            'What is not said comes from the `defaults` of the seed file, and where they say nothing from the settings.',
          responses: { 201: AccountSchema },
          codes: ['ACCOUNT_EXISTS'],
        },
      },
    },
    async ({ body }, reply) => {
      const { key = `np_${randomBytes(12).toString('hex')}`, ...profile } = body;
      if (core.accounts.find(key)) {
        throw new EmulatorError('ACCOUNT_EXISTS', `There is an account with the key ${key} already.`);
      }
      const account = core.accounts.create(key, 'control', resolveProfile(profile, settings.newAccountProfile));
      reply.code(201);
      return toAccountJson(core, account);
    },
  );

  app.get(
    '/accounts/:key',
    {
      schema: { params: AccountParams },
      config: {
        operation: {
          name: 'getAccount',
          tag: 'accounts',
          summary: 'Reads an account.',
          description: 'With its credits, its limiter and its clock, after all that was due for it.',
          responses: { 200: AccountSchema },
        },
      },
    },
    async ({ params }) => toAccountJson(core, accountFor(params)),
  );

  app.patch(
    '/accounts/:key',
    {
      schema: { params: AccountParams, body: AccountChanges },
      config: {
        operation: {
          name: 'changeAccount',
          tag: 'accounts',
          summary: 'Changes an account.',
          description:
            'What is not said stays. A new speed concerns what running tasks have left, too; a new seed only what comes after it. A revoked key is 401 on the API and still readable here.',
          responses: { 200: AccountSchema },
        },
      },
    },
    async ({ params, body }) => {
      const { id } = accountFor(params);
      core.changeSettings(id, body);
      return toAccountJson(core, core.accounts.get(id));
    },
  );

  app.delete(
    '/accounts/:key',
    {
      schema: { params: AccountParams },
      config: {
        operation: {
          name: 'removeAccount',
          tag: 'accounts',
          summary: 'Removes an account.',
          description:
            'With all that is its own. A key that starts with `np_test_` makes a fresh account at its next request.',
          responses: { 204: null },
        },
      },
    },
    async ({ params }, reply) => {
      core.resets.remove(accountFor(params).id);
      reply.code(204);
    },
  );

  app.put(
    '/accounts/:key/rate-limit',
    {
      schema: { params: AccountParams, body: RateLimitRequest },
      config: {
        operation: {
          name: 'setRateLimit',
          tag: 'accounts',
          summary: 'Drives the limiter.',
          description:
            '`remaining` is what is left of the hour that runs, or of one that begins now. What is not said stays.',
          responses: { 200: AccountSchema },
        },
      },
    },
    async ({ params, body }) => {
      const account = accountFor(params);
      const limit = body.limit === undefined ? account.rateLimit : body.limit;
      const { remaining } = body;
      if (remaining !== undefined && (limit === null || remaining > limit)) {
        const limitText = limit === null ? 'no limit is set' : `the limit is ${limit}`;
        throw new EmulatorError('INVALID_INPUT', `Invalid parameter remaining: ${limitText}.`);
      }
      core.accounts.change(account.id, { rateLimit: limit });
      if (remaining !== undefined) {
        core.rateLimiter.set(account.id, limit! - remaining, core.timeline.nowMs(account));
        // A count that was asked for is kept like any answer; those of requests can wait.
        core.rateLimiter.save();
      }
      return toAccountJson(core, core.accounts.get(account.id));
    },
  );
}

export function toAccountJson(core: Core, account: Account) {
  const nowMs = core.timeline.nowMs(account);
  const { count, resetAtMs } = core.rateLimiter.peek(account.id, nowMs);
  return {
    key: account.key,
    credits: account.balance,
    rateLimit: {
      limit: account.rateLimit,
      remaining: account.rateLimit === null ? null : Math.max(0, account.rateLimit - count),
      resetAt: toTimestampOrNull(resetAtMs),
    },
    clock: { mode: account.clockMode, now: toTimestamp(nowMs) },
    speed: account.speed,
    seed: account.seed,
    createdAt: toTimestamp(account.createdAtMs),
    revoked: account.revoked,
  };
}
