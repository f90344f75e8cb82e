import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { Account } from '../../core/accounts/accounts.ts';
import type { Core } from '../../core/core.ts';
import { apiKey, failureRate, PROFILE, requestLimit, resolveProfile, seed, speed } from '../../http/account-profile.ts';
import type { HttpContext } from '../../http/context.ts';
import { AdminError } from '../error-codes.ts';
import { requireAccount } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { PageByText, paginate } from '../pagination.ts';
import { AccountSchema, Accounts } from '../response-schemas.ts';
import { AccountParams, remainingRequests, toTimestamp, toTimestampOrNull } from '../schemas.ts';

export const NewAccount = z.strictObject({ key: apiKey.optional(), ...PROFILE });
export const AccountChanges = z.strictObject({
  rateLimit: requestLimit.optional(),
  speed: speed.optional(),
  failureRate: failureRate.optional(),
  seed: seed.optional(),
  revoked: z.boolean().optional(),
});
const RateLimitChanges = z.strictObject({ limit: requestLimit.optional(), remaining: remainingRequests.optional() });

/** Operations on accounts and their rate limits. */
export const accountOperations = ({ core, settings }: HttpContext): Operation[] => [
  defineOperation({
    method: 'GET',
    path: '/accounts',
    name: 'listAccounts',
    tag: 'accounts',
    summary: 'List accounts',
    description: 'Sorted by key.',
    query: PageByText,
    responses: { 200: Accounts },
    async handler({ query }) {
      const accounts = core.accounts.list(query.limit + 1, query.after);
      const toJson = (account: Account) => toAccountJson(core, requireAccount(core, account));
      const { items, next } = await paginate(accounts, query.limit, ({ key }) => key, toJson);
      return { accounts: items, next };
    },
  }),

  defineOperation({
    method: 'POST',
    path: '/accounts',
    name: 'createAccount',
    tag: 'accounts',
    summary: 'Create an account',
    description: 'Omitted fields default to `defaults` of the seed file, then to the settings.',
    body: NewAccount,
    responses: { 201: AccountSchema },
    codes: ['ACCOUNT_EXISTS'],
    async handler({ body }, reply) {
      const { key = `np_${randomBytes(12).toString('hex')}`, ...profile } = body;
      if (core.accounts.find(key)) throw new AdminError('ACCOUNT_EXISTS', key);
      const account = core.accounts.create(key, 'control', resolveProfile(profile, settings.newAccountProfile));
      reply.code(201);
      return toAccountJson(core, account);
    },
  }),

  defineOperation({
    method: 'GET',
    path: '/accounts/:key',
    name: 'getAccount',
    tag: 'accounts',
    summary: 'Get an account',
    description: 'Includes credits, rate limit and clock, after all due transitions are applied.',
    params: AccountParams,
    responses: { 200: AccountSchema },
    handler: async ({ params }) => toAccountJson(core, requireAccount(core, params)),
  }),

  defineOperation({
    method: 'PATCH',
    path: '/accounts/:key',
    name: 'changeAccount',
    tag: 'accounts',
    summary: 'Change an account',
    description:
      'Omitted fields keep their values. A new speed also applies to the remaining time of running tasks; a new ' +
      'failure rate and a new seed only to later tasks. The API answers a revoked key with 401; the control plane ' +
      'still serves its account.',
    params: AccountParams,
    body: AccountChanges,
    responses: { 200: AccountSchema },
    async handler({ params, body }) {
      const { id } = requireAccount(core, params);
      core.changeSettings(id, body);
      return toAccountJson(core, core.accounts.get(id));
    },
  }),

  defineOperation({
    method: 'DELETE',
    path: '/accounts/:key',
    name: 'removeAccount',
    tag: 'accounts',
    summary: 'Remove an account',
    description:
      'Removes all of its data. The next request with a key that starts with `np_test_` creates a new account.',
    params: AccountParams,
    responses: { 204: null },
    async handler({ params }, reply) {
      core.resets.remove(requireAccount(core, params).id);
      reply.code(204);
    },
  }),

  defineOperation({
    method: 'PUT',
    path: '/accounts/:key/rate-limit',
    name: 'setRateLimit',
    tag: 'accounts',
    summary: 'Set the rate limit',
    description: '`remaining` applies to the current hour, or starts one. Omitted fields keep their values.',
    params: AccountParams,
    body: RateLimitChanges,
    responses: { 200: AccountSchema },
    async handler({ params, body }) {
      const account = requireAccount(core, params);
      const limit = body.limit === undefined ? account.rateLimit : body.limit;
      const { remaining } = body;
      if (remaining !== undefined && (limit === null || remaining > limit)) {
        const reason = limit === null ? 'not allowed without a limit' : `expected at most the limit, ${limit}`;
        throw new AdminError('INVALID_INPUT', 'remaining', reason);
      }
      core.setRateLimit(account.id, limit, remaining === undefined ? undefined : limit! - remaining);
      return toAccountJson(core, core.accounts.get(account.id));
    },
  }),
];

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
    failureRate: account.failureRate,
    seed: account.seed,
    createdAt: toTimestamp(account.createdAtMs),
    revoked: account.revoked,
  };
}
