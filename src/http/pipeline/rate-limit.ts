import rateLimit from '@fastify/rate-limit';
import type { Account } from '../../core/accounts/accounts.ts';
import type { Core } from '../../core/core.ts';
import { EmulatorError } from '../../core/errors.ts';
import { WINDOW_MS } from '../../core/time/rate-limiter.ts';
import type { App } from '../context.ts';

type IncrementCallback = (error: Error | null, result?: { current: number; ttl: number }) => void;

/** `@fastify/rate-limit` over windows that run on each account's own clock. */
export async function registerRateLimit(app: App, core: Core): Promise<void> {
  class AccountStore {
    incr(account: unknown, callback: IncrementCallback): void {
      const { id } = account as Account;
      const { count, leftMs } = core.rateLimiter.hit(id, core.timeline.nowMs(account as Account));
      callback(null, { current: count, ttl: leftMs });
    }

    child(): AccountStore {
      return this;
    }
  }

  await app.register(rateLimit, {
    timeWindow: WINDOW_MS,
    store: AccountStore as never,
    // The plugin only hands the key through to the store, and the store needs the account's clock.
    keyGenerator: (request) => request.state.account as never,
    allowList: (request) => request.state.account === null || request.state.account.rateLimit === null,
    max: (request) => request.state.account?.rateLimit ?? Number.MAX_SAFE_INTEGER,
    errorResponseBuilder: (_request, { max }) =>
      new EmulatorError('API_KEY_RATE_LIMIT_EXCEEDED', `more than ${max} requests in this hour`),
  });
}
